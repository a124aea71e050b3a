"""The benchmark application as a bare RSGI callable, for granian."""

import json

TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]


async def app(scope, protocol):
    path = scope.path
    if path == "/":
        protocol.response_bytes(200, TEXT, b"Hello, world!")
    elif path.startswith("/users/"):
        id = int(path[7:])
        protocol.response_str(200, JSON, json.dumps({"id": id, "name": f"user {id}"}))
    elif path == "/echo":
        protocol.response_bytes(200, TEXT, await protocol())
    else:
        protocol.response_empty(404, [])
