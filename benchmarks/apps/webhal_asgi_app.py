"""The benchmark application on webhal, for uvicorn."""

from webhal_app import app as application

from webhal_cpython.asgi import ASGI

app = ASGI(application)
