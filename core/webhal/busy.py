"""The answer where memory runs out, small enough to be loaded then."""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server, Slot

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def busy(server: "Server", slot: "Slot") -> None:
    """Let go of all that a connection holds, and answer 503 if nothing of an answer is sent."""
    answered = slot.phase == "write" or slot.phase == "linger" or getattr(slot.rest, "started", False)
    server.release(slot)
    gc.collect()
    try:
        if not answered:
            slot.keep = -1
            server.send(slot, _BUSY)
            return
    except (OSError, MemoryError):
        pass
    server.drop(slot)
