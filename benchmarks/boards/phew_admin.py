"""admin on phew, which has no hooks, error handlers, cookies and HEAD. Without its log, a file that grows."""

import json

from phew import logging, server

PAGE = "page.html"
JSON = "application/json"

logging.log = lambda level, text: None
level = 0
name = "A lamp & co."


def route(path, methods=("GET",)):
    """A route with the hook and the error handler."""

    def register(handler):
        @server.route(path, methods)
        def guarded(request, **parameters):
            if request.path.startswith("/admin") and request.headers.get("x-key") != "1234":
                return "The key, please", 401
            try:
                return handler(request, **parameters)
            except ValueError:
                return json.dumps({"error": "not a number"}), 422, JSON

    return register


@route("/")
def page(request):
    return PAGE


@route("/", methods=["HEAD"])
def page_head(request):
    return server.Response("", 200, {"Content-Type": "text/html", "Connection": "close"})


@route("/api")
def read(request):
    return json.dumps({"temperature": 21.5, "humidity": 48, "level": level}), 200, JSON


@route("/api", methods=["POST"])
def write(request):
    global level
    level = int(request.data["level"])
    return json.dumps({"level": level}), 200, JSON


@route("/pin/<pin>")
def read_pin(request, pin):
    pin = int(pin)
    return json.dumps({"pin": pin, "on": pin % 2 == 1}), 200, JSON


@route("/admin/name")
def read_name(request):
    return json.dumps({"name": name}), 200, JSON


@route("/admin/name", methods=["POST"])
def write_name(request):
    global name
    name = request.form["name"]
    return server.redirect("/admin/name", 303)


@route("/visits")
def visits(request):
    count = 1
    for cookie in request.headers.get("cookie", "").split("; "):
        if cookie.startswith("visits="):
            count += int(cookie[7:])
    return server.Response("Visit %d" % count, 200, {"Set-Cookie": "visits=%d; Path=/; HttpOnly" % count})


def pieces():
    for number in range(40):
        yield "%05d\n" % number * 85


@route("/log")
def log(request):
    return server.Response(pieces(), 200, {"Content-Type": "text/html"})


@server.catchall()
def missing(request):
    return "No such page: " + request.path, 404


def main(port, connections):
    server.run(port=port)
