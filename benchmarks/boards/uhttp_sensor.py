"""sensor on uhttp-server."""

from uhttp.server import HttpServer

PAGE = "page.html"
level = 0


def answer(client):
    global level
    path = client.path
    if path == "/":
        client.respond(PAGE)
    elif path == "/api":
        if client.method == "POST":
            level = int(client.data["level"])
            client.respond({"level": level})
        else:
            client.respond({"temperature": 21.5, "humidity": 48, "level": level})
    elif path.startswith("/pin/"):
        pin = int(path[5:])
        client.respond({"pin": pin, "on": pin % 2 == 1})
    else:
        client.respond("No such page: " + path, status=404)


def main(port, connections):
    server = HttpServer(port=port, max_waiting_clients=connections)
    while True:
        client = server.wait()
        if client:
            answer(client)
