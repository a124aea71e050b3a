"""sensor on picoweb, which reads no JSON and has no 404 of one's own: the last route takes all paths."""

import json
import re

import picoweb

PAGE = "page.html"

app = picoweb.WebApp(None, serve_static=False)
level = 0


@app.route("/")
def page(request, writer):
    yield from picoweb.start_response(writer)
    yield from writer.awrite(PAGE)


@app.route("/api")
def api(request, writer):
    global level
    if request.method == "POST":
        body = yield from request.reader.readexactly(int(request.headers[b"Content-Length"]))
        level = int(json.loads(body)["level"])
        yield from picoweb.jsonify(writer, {"level": level})
    else:
        yield from picoweb.jsonify(writer, {"temperature": 21.5, "humidity": 48, "level": level})


@app.route(re.compile("^/pin/([0-9]+)$"))
def read_pin(request, writer):
    pin = int(request.url_match.group(1))
    yield from picoweb.jsonify(writer, {"pin": pin, "on": pin % 2 == 1})


@app.route(re.compile("^/"))
def missing(request, writer):
    yield from picoweb.start_response(writer, status="404")
    yield from writer.awrite("No such page: " + request.path)


def main(port, connections):
    app.run(port=port, debug=-1)
