"""The application of the cases as an ASGI application."""

from engines_app import app

from webhal_cpython.asgi import ASGI

application = ASGI(app, body=70_000)
