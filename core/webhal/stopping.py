"""Stopping: a server that was told to stop answers what has arrived, finishes what runs, and accepts no more."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_STOP_MS = 10000  # what running requests get to finish


def accept(server: "Server") -> bool:
    """Serve who has come so far, and nobody else; False where nobody can come any more."""
    if server.failure:
        error = server.failure
        server.failure = None
        raise error
    if not server.listener:
        return False
    try:
        most = server.connections if server.place else 0  # a bound, for each answer makes room for another
        for _ in range(most):
            pair = len(server.slots) < server.connections and server.network.accept(server.listener)
            if not pair:
                break
            server.admit(pair[0], pair[1])
    except (OSError, MemoryError):  # no socket to spare
        pass
    server.unlisten()
    return not server.listener


def tick(server: "Server") -> None:
    """Close what is idle, now that what had arrived was read; and all, when the time is up."""
    drains = getattr(server, "draining", 0)
    stops = server.network.ticks_diff(server.now, server.tried)
    over = stops >= (drains or _STOP_MS)
    # Where it drains: the next request may be on its way to a connection that idles.
    spared = stops < min(drains // 10, 1000 * server.deadlines["idle"])
    for connection in list(server.slots.values()):
        if connection.phase == "rest" and not connection.work:
            came = len(connection.input)
            try:
                connection.ready(server)  # more than one receive takes may have arrived
            except Exception as error:
                connection.failed(server, error)
            if len(connection.input) > came and not over:
                continue
        if hasattr(connection.work, "stop"):
            connection.work.stop()
        phase = connection.phase
        # No request runs in those: the head of one that was begun may never be whole.
        if over or not spared and (phase == "idle" or phase == "start" or (phase == "rest" and not connection.work)):
            connection.drop(server)
    if server.jobs:
        if over:
            for job in list(server.jobs):
                job.drop(server)
        elif not server.slots:
            webhal.jobs.stop(server)
