"""admin on picoweb, which has no hooks, cookies and HEAD, reads no JSON, and has no 404 of one's own."""

import json
import re

import picoweb

PAGE = "page.html"

level = 0
name = "A lamp & co."


class App(picoweb.WebApp):
    def handle_exc(self, request, writer, error):
        if isinstance(error, ValueError):
            yield from picoweb.start_response(writer, "application/json", "422")
            yield from writer.awrite('{"error": "not a number"}')


app = App(None, serve_static=False)


def route(path):
    """A route with the hook."""

    def register(handler):
        def guarded(request, writer):
            if request.path.startswith("/admin") and request.headers.get(b"X-Key") != b"1234":
                yield from picoweb.start_response(writer, status="401")
                yield from writer.awrite("The key, please")
            else:
                yield from handler(request, writer)

        app.add_url_rule(path, guarded)

    return register


@route("/")
def page(request, writer):
    yield from picoweb.start_response(writer)
    if request.method != "HEAD":
        yield from writer.awrite(PAGE)


@route("/api")
def api(request, writer):
    global level
    if request.method == "POST":
        body = yield from request.reader.readexactly(int(request.headers[b"Content-Length"]))
        level = int(json.loads(body)["level"])
        yield from picoweb.jsonify(writer, {"level": level})
    else:
        yield from picoweb.jsonify(writer, {"temperature": 21.5, "humidity": 48, "level": level})


@route(re.compile("^/pin/([0-9]+)$"))
def read_pin(request, writer):
    pin = int(request.url_match.group(1))
    yield from picoweb.jsonify(writer, {"pin": pin, "on": pin % 2 == 1})


@route("/admin/name")
def form(request, writer):
    global name
    if request.method == "POST":
        yield from request.read_form_data()
        name = request.form["name"]
        yield from picoweb.start_response(writer, status="303", headers={"Location": "/admin/name"})
    else:
        yield from picoweb.jsonify(writer, {"name": name})


@route("/visits")
def visits(request, writer):
    count = 1
    for cookie in request.headers.get(b"Cookie", b"").split(b"; "):
        if cookie.startswith(b"visits="):
            count += int(cookie[7:])
    yield from picoweb.start_response(writer, headers={"Set-Cookie": "visits=%d; Path=/; HttpOnly" % count})
    yield from writer.awrite("Visit %d" % count)


@route("/log")
def log(request, writer):
    yield from picoweb.start_response(writer)
    for number in range(40):
        yield from writer.awrite("%05d\n" % number * 85)


@route(re.compile("^/"))
def missing(request, writer):
    yield from picoweb.start_response(writer, status="404")
    yield from writer.awrite("No such page: " + request.path)


def main(port, connections):
    app.run(port=port, debug=-1)
