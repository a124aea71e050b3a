"""The ASGI and WSGI callables of mounted_app.py under webhal: `webhal run webhal_mounts_app.py`."""

import mounted_app

from webhal import App

app = App()
app.mount("/asgi", mounted_app.asgi)
app.mount("/wsgi", mounted_app.wsgi)
