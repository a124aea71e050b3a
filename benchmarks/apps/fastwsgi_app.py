"""The benchmark application as a bare WSGI callable on fastwsgi: `python fastwsgi_app.py PORT`."""

import json
import sys

import fastwsgi

TEXT = [("Content-Type", "text/plain; charset=utf-8")]
JSON = [("Content-Type", "application/json")]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", TEXT)
        return [b"Hello, world!"]
    if path.startswith("/users/"):
        id = int(path[7:])
        start_response("200 OK", JSON)
        return [json.dumps({"id": id, "name": f"user {id}"}).encode()]
    if path == "/echo":
        start_response("200 OK", TEXT)
        return [environ["wsgi.input"].read()]
    start_response("404 Not Found", TEXT)
    return [b""]


if __name__ == "__main__":
    fastwsgi.run(app, host="127.0.0.1", port=int(sys.argv[1]), loglevel=fastwsgi.LL_DISABLED)
