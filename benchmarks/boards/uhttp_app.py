"""The benchmark application on uhttp-server, which needs `select.select`: boards have it, the unix port does not."""

import select

from uhttp import server as uhttp


class Select:
    """`select.select` over a poll object that is kept, which is the least that it can cost."""

    def __init__(self):
        self.poller = select.poll()
        self.known = {}

    def select(self, readers, writers, others, timeout=None):
        wanted = {}
        for socket in readers:
            wanted[socket] = select.POLLIN
        for socket in writers:
            wanted[socket] = wanted.get(socket, 0) | select.POLLOUT
        for socket in self.known:
            if socket not in wanted:
                self.poller.unregister(socket)
        for socket in wanted:
            if self.known.get(socket) != wanted[socket]:
                self.poller.register(socket, wanted[socket])
        self.known = wanted
        ready = self.poller.poll(-1 if timeout is None else int(timeout * 1000))
        readable = [socket for socket, event in ready if event & ~select.POLLOUT]
        return readable, [socket for socket, event in ready if event & select.POLLOUT], []


uhttp._select = Select()


def main(port, connections):
    server = uhttp.HttpServer(port=port, max_waiting_clients=connections)
    while True:
        client = server.wait()
        if client:
            if client.path == "/":
                client.respond("Hello, world!")
            else:
                client.respond("Not found", status=404)
