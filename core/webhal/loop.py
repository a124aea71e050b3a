"""The busy step: what Server.step does when there is more to do than to serve ready sockets; loaded with the first.

Connections and jobs whose turn it is, handlers that sleep, more clients than slots, stopping.
"""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_FULL_MS = 20  # the longest wait while clients wait that cannot be accepted
_STOP_MS = 10000  # what running requests get to finish when the server stops


def step(server: "Server", timeout_ms: int) -> None:
    """What Server.step promises."""
    network = server.network
    clock = server.clock
    if clock:
        now = network.ticks_ms()
        left = clock[-1].left(now)
        while left <= 0:
            clock[-1].task.wake()
            clock.pop()
            left = clock[-1].left(now) if clock else timeout_ms + 1
        timeout_ms = min(timeout_ms, left)
    if server.again:
        timeout_ms = 0
    if server.full:
        timeout_ms = min(timeout_ms, _FULL_MS)
    if server.stopping and server.listener:
        _accept_last(server)
        timeout_ms = 0
    again = server.again
    server.again = []
    try:
        server.poll(timeout_ms)
        again.reverse()
        while again:
            again.pop().step(server)
        if server.full:
            webhal.overload.accept(server)
        if server.stopping:
            _wind_up(server)
    except MemoryError:  # as in Server.poll
        server.make_room()
        if server.full:  # and overload.py cannot be loaded: accept whenever there is a slot
            server.full = False
            network.watch(server.listener, True, False)
    except OSError:
        server.unlisten()
    finally:  # after an interruption the server goes on with what runs
        server.again = again + server.again if again else server.again


def _accept_last(server: "Server") -> None:
    """A server that stops serves who has come so far, and nobody else."""
    try:
        while len(server.slots) < server.connections:
            pair = server.network.accept(server.listener)
            if not pair:
                break
            server.admit(pair[0], pair[1])
    except (OSError, MemoryError):  # no socket to spare
        pass
    server.unlisten()
    server.tried = server.now


def _wind_up(server: "Server") -> None:
    """Close what is idle, now that what had arrived was read; and all, when the time is up."""
    over = server.network.ticks_diff(server.now, server.tried) >= _STOP_MS
    for connection in list(server.slots.values()):
        phase = connection.phase
        # No request runs in those: the head of one that was begun may never be whole.
        if over or phase == "idle" or phase == "start" or (phase == "rest" and not connection.work):
            connection.drop(server)
    if over:
        for job in list(server.jobs or ()):
            job.drop(server)
