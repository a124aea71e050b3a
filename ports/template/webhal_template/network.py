"""The network interface over …: which sockets, poller, clock and link, and what is not here.

What each method promises stands in `webhal.net`, how to write it in docs/porting.md; "step 4" is one of its steps.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Socket = Any  # whatever the platform has; hashable, compared by identity


class Network:
    """Sockets and listeners are …. What the platform cannot do as promised, and why: …."""

    # What the platform can bear, by the names of Server's arguments (step 12); without it, the smallest board's limits:
    # limits = {"connections": 6, "head": 4096, "body": 16384, "buffer": 1024}

    # -- step 2: the clock ----------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        raise NotImplementedError

    def ticks_diff(self, later: int, earlier: int) -> int:
        raise NotImplementedError

    # -- step 3: the link -----------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        raise NotImplementedError

    def down(self) -> None:
        raise NotImplementedError

    def status(self) -> str:
        raise NotImplementedError

    def address(self) -> "str | None":
        raise NotImplementedError

    # -- step 4: listening ----------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> "Socket":
        raise NotImplementedError

    def local_port(self, listener: "Socket") -> int:
        raise NotImplementedError

    # -- step 5: readiness ----------------------------------------------------------------------------

    def watch(self, socket: "Socket", read: bool, write: bool) -> None:
        raise NotImplementedError

    def wait(self, timeout_ms: int) -> "list[Socket]":
        raise NotImplementedError

    # -- step 6: accepting ----------------------------------------------------------------------------

    def accept(self, listener: "Socket") -> "tuple[Socket, tuple[str, int]] | None":
        raise NotImplementedError

    # -- step 7: receiving ----------------------------------------------------------------------------

    def recv_into(self, socket: "Socket", buffer: "bytearray | memoryview") -> "int | None":
        raise NotImplementedError

    # -- step 8: sending ------------------------------------------------------------------------------

    def send(self, socket: "Socket", data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        raise NotImplementedError

    # -- step 9: closing ------------------------------------------------------------------------------

    def close(self, socket: "Socket") -> None:
        raise NotImplementedError

    def shut(self, socket: "Socket") -> None:
        raise NotImplementedError

    # -- step 12: what is optional ----------------------------------------------------------------------
    # unix_time(self) -> "int | None" and fileno(self) -> int, where the platform has such things; else nothing.
