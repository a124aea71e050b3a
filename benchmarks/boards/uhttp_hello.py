"""hello on uhttp-server."""

from uhttp.server import HttpServer


def main(port, connections):
    server = HttpServer(port=port, max_waiting_clients=connections)
    while True:
        client = server.wait()
        if client:
            if client.path == "/":
                client.respond("Hello, world!")
            else:
                client.respond("Not found", status=404)
