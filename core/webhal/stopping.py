"""Stopping: a server that was told to stop answers what has arrived, finishes what runs, and accepts no more."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_STOP_MS = 10000  # what running requests get to finish


def accept(server: "Server") -> None:
    """Serve who has come so far, and nobody else."""
    try:
        for _ in range(server.connections):  # a bound, for each that is answered makes room for another
            pair = len(server.slots) < server.connections and server.network.accept(server.listener)
            if not pair:
                break
            server.admit(pair[0], pair[1])
    except (OSError, MemoryError):  # no socket to spare
        pass
    server.unlisten()


def tick(server: "Server") -> None:
    """Close what is idle, now that what had arrived was read; and all, when the time is up."""
    over = server.network.ticks_diff(server.now, server.tried) >= _STOP_MS
    for connection in list(server.slots.values()):
        if connection.phase == "rest" and not connection.work:
            came = len(connection.input)
            try:
                connection.ready(server)  # more than one receive takes may have arrived
            except Exception as error:
                connection.failed(server, error)
            if len(connection.input) > came and not over:
                continue
        phase = connection.phase
        # No request runs in those: the head of one that was begun may never be whole.
        if over or phase == "idle" or phase == "start" or (phase == "rest" and not connection.work):
            connection.drop(server)
    if over:
        for job in list(server.jobs or ()):
            job.drop(server)
