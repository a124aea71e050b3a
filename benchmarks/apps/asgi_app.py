"""The benchmark application as a bare ASGI callable, for uvicorn and granian."""

import json

TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    path = scope["path"]
    status, headers, body = 200, TEXT, b""
    if path == "/":
        body = b"Hello, world!"
    elif path.startswith("/users/"):
        id = int(path[7:])
        headers, body = JSON, json.dumps({"id": id, "name": f"user {id}"}).encode()
    elif path == "/echo":
        more = True
        while more:
            event = await receive()
            body += event["body"]
            more = event["more_body"]
    else:
        status = 404
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
