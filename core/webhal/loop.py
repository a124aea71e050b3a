"""The busy step: what Server.step does when there is more to do than to serve ready sockets; loaded with the first.

Connections and jobs whose turn it is, handlers that sleep, more clients than slots, stopping.
"""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_FULL_MS = 20  # the longest wait while clients wait that cannot be accepted


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
    if server.stopping and webhal.stopping.accept(server):
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
            webhal.stopping.tick(server)
    except MemoryError:  # as in Server.poll
        server.make_room()
        if server.full:  # and overload.py cannot be loaded: accept whenever there is a slot
            network.watch(server.listener, True, False)
            server.full = False
            server.closes = 0
    except OSError:
        server.unlisten()
    finally:  # after an interruption the server goes on with what runs
        server.again = again + server.again if again else server.again
