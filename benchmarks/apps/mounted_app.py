"""Hello as bare ASGI and WSGI callables: mounted by webhal_mounts_app.py, and for uvicorn and gunicorn."""

HELLO = b"Hello, world!"


async def asgi(scope, receive, send):
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")])
    return [HELLO]
