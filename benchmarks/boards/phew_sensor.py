"""sensor on phew, without its log, a file that grows with each request."""

import json

from phew import logging, server

PAGE = "page.html"
JSON = "application/json"

logging.log = lambda level, text: None
level = 0


@server.route("/")
def page(request):
    return PAGE


@server.route("/api")
def read(request):
    return json.dumps({"temperature": 21.5, "humidity": 48, "level": level}), 200, JSON


@server.route("/api", methods=["POST"])
def write(request):
    global level
    level = int(request.data["level"])
    return json.dumps({"level": level}), 200, JSON


@server.route("/pin/<pin>")
def read_pin(request, pin):
    pin = int(pin)
    return json.dumps({"pin": pin, "on": pin % 2 == 1}), 200, JSON


@server.catchall()
def missing(request):
    return "No such page: " + request.path, 404


def main(port, connections):
    server.run(port=port)
