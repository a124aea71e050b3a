"""What a connection gets for whose work memory ran out; small enough to be loaded then."""

import gc

from webhal import forget
from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server
    from webhal.slot import Slot

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def refuse_busy(server: "Server", slot: "Slot") -> None:
    """Answer 503 where nothing of an answer is sent. Raises OSError to close."""
    rest = slot.rest
    answered = slot.phase == "write" or slot.phase == "linger"
    if not answered and rest is not None and type(rest) is not Request:
        answered = rest.started
    server.release(slot)
    rest = None
    forget(int(any([other.rest for other in server.slots.values()])))
    gc.collect()
    if answered:
        raise OSError("answered in part")
    slot.keep = -1
    server.send(slot, _BUSY)
