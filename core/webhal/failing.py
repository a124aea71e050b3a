"""What a connection gets whose work raised; small enough to be loaded where memory runs out."""

import gc

from webhal.forget import forget
from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server, Slot

# What judges and refuses a request. A board may have room for one of these at a time, and for none to stay.
_JUDGES = "head text request chunked trouble errors status closing crowd forget"
# What else can be loaded again. Not response.py: an application may have its Response.
_LATE = "exchange stream routing beside reading registering life log events"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def failed(server: "Server", slot: "Slot", error: Exception) -> None:
    """Answer if that can be: 503 where memory ran out and nothing of an answer is sent. Raises OSError to close."""
    forget(_JUDGES)
    try:
        _answer(server, slot, error)
    finally:
        forget(_JUDGES)


def _answer(server: "Server", slot: "Slot", error: Exception) -> None:
    if not isinstance(error, MemoryError):
        try:
            from webhal.trouble import answer

            answer(server, slot, error)
            return
        except MemoryError:
            pass
        except OSError:
            raise
        except Exception as second:  # a bug
            from webhal.log import log

            log(second)
            raise OSError("no answer")
    rest = slot.rest
    answered = slot.phase == "write" or slot.phase == "linger"
    if not answered and rest is not None and type(rest) is not Request:
        answered = rest.started
    server.release(slot)
    forget(_LATE)
    gc.collect()
    if answered:
        raise OSError("answered in part")
    slot.keep = -1
    server.send(slot, _BUSY)
