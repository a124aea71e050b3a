"""Stands in for `select.select`, which boards have and the unix port does not; uhttp-server needs it."""

import select as firmware

poller = firmware.poll()  # kept, which is the least that it can cost
known = {}


def select(readers, writers, others, timeout=None):
    global known
    wanted = {}
    for socket in readers:
        wanted[socket] = firmware.POLLIN
    for socket in writers:
        wanted[socket] = wanted.get(socket, 0) | firmware.POLLOUT
    for socket in known:
        if socket not in wanted:
            poller.unregister(socket)
    for socket in wanted:
        if known.get(socket) != wanted[socket]:
            poller.register(socket, wanted[socket])
    known = wanted
    ready = poller.poll(-1 if timeout is None else int(timeout * 1000))
    readable = [socket for socket, event in ready if event & ~firmware.POLLOUT]
    return readable, [socket for socket, event in ready if event & firmware.POLLOUT], []
