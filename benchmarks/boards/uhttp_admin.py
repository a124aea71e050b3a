"""admin on uhttp-server, whose redirect has no Content-Length."""

from uhttp.server import HttpServer

PAGE = "page.html"
level = 0
name = "A lamp & co."


def answer(client):
    global level, name
    path = client.path
    if path.startswith("/admin") and client.headers.get("x-key") != "1234":
        client.respond("The key, please", status=401)
    elif path == "/":
        if client.method == "HEAD":
            client.respond(headers={"content-type": "text/html", "content-length": len(PAGE)})
        else:
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
    elif path == "/admin/name":
        if client.method == "POST":
            name = client.data["name"]
            client.respond("", status=303, headers={"Location": "/admin/name"})
        else:
            client.respond({"name": name})
    elif path == "/visits":
        count = int(client.cookies.get("visits", "0")) + 1
        client.respond("Visit %d" % count, cookies={"visits": "%d; Path=/; HttpOnly" % count})
    elif path == "/log":
        client.response_stream("text/html")
        for number in range(40):
            client.send_chunk("%05d\n" % number * 85)
        client.response_stream_end()
    else:
        client.respond("No such page: " + path, status=404)


def main(port, connections):
    server = HttpServer(port=port, max_waiting_clients=connections)
    while True:
        client = server.wait()
        if client:
            try:
                answer(client)
            except ValueError:
                client.respond({"error": "not a number"}, status=422)
