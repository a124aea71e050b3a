"""Closing a connection whose client may still be sending; loaded when that happens first."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server
    from webhal.slot import Slot


def linger(server: "Server", slot: "Slot") -> None:
    """End our side and read on, so that what is still arriving does not cost the client its answer."""
    slot.phase = "linger"
    slot.since = server.now
    slot.input = b""
    server.network.shut(slot.socket)
    server.network.watch(slot.socket, True, False)
