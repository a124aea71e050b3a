"""What every board is to the commands: facts, and files that can be looked at, put in place and started."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from webhal_cpython.cli import complain
from webhal_cpython.compiling import MPY_VERSION
from webhal_cpython.deploying import DeployError

if TYPE_CHECKING:
    from webhal_cpython.deploying.plan import Plan
    from webhal_cpython.deploying.rom import Partition

OLDEST = {"micropython": (1, 20), "circuitpython": (8, 0)}  # .mpy 6 with `1.20`; socketpool as the port knows it

PORT_TAKEN = (
    "the web workflow holds port %s, which the application wants; give it another with CIRCUITPY_WEB_API_PORT = 8080"
    " in the board's settings.toml"
)

Show = Callable[[bytes], None]
Advance = Callable[[int], None]  # called with the number of bytes that were sent


@dataclass(frozen=True)
class Facts:
    """What a board says that it is. Sizes are bytes; None where it does not tell."""

    runtime: str
    version: tuple[int, ...]
    chip: str  # sys.platform: "esp8266", "esp32", "rp2"; CircuitPython's board id
    machine: str = ""
    mpy: int = 0  # sys.implementation._mpy
    memory: int | None = None
    flash: int | None = None
    block: int = 4096  # the least that a file takes of the flash
    rom: int | None = None  # of the partition from which code runs in place
    lacks: tuple[str, ...] = ()  # of the firmware's modules that serving needs

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        sizes = [
            f"{size // 1024:,} KB of {what} free"
            for size, what in ((self.memory, "memory"), (self.flash, "flash"))
            if size is not None
        ]
        if self.rom:
            sizes.append(f"ROM partition of {self.rom // 1024:,} KB")
        names = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}
        return ", ".join([f"{names.get(self.runtime, self.runtime)} {version}", self.machine or self.chip, *sizes])

    @property
    def dialect(self) -> str:
        """The name of this board for `webhal check`."""
        if self.runtime == "circuitpython":
            return "circuitpython"
        return self.chip if self.chip in ("esp8266", "rp2") else "esp32"

    @property
    def takes_mpy(self) -> bool:
        return self.runtime == "micropython" and self.mpy & 0xFF == MPY_VERSION


def judge(facts: Facts) -> None:
    """Raise DeployError for a board on which webhal does not run."""
    if facts.runtime not in OLDEST:
        raise DeployError(f"it runs {facts.runtime}, which webhal has no port for")
    oldest = OLDEST[facts.runtime]
    if facts.version[:2] < oldest:
        raise DeployError(
            f"{facts} is too old: webhal needs {oldest[0]}.{oldest[1]} or newer; flash a newer firmware"
            " (docs/deploying.md shows how)"
        )
    if "socket" in facts.lacks:
        raise DeployError(f"{facts} has no sockets, so nothing can serve there: flash a firmware with network support")


class Board(Protocol):
    """Operations raise DeployError."""

    target: str
    facts: Facts
    main: str  # the file that the board runs when it starts
    own_port: int | None  # on which the firmware itself listens
    rom: Partition | None

    def complete(self) -> None:
        """Put in place what an interrupted deployment has left to do."""

    def placed(self, wanted: dict[str, bytes]) -> dict[str, bytes]:
        """All files that the board shall have, from those that the application needs, by paths on the board.

        Said before `read`, `hashes` and `apply`, which are about the places of these files.
        """

    def read(self, path: str) -> bytes | None:
        """A file's content; None if there is none."""

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        """plan.digest of each of the files that is there."""

    def missing(self, modules: Iterable[str]) -> set[str]:
        """Those of these modules that it cannot import, as far as it can be asked."""

    def remember(self, plan: Plan) -> Callable[[], object] | None:
        """What is to be called after `apply` to put the old application back; None if there is none of webhal's."""

    def apply(self, plan: Plan, advance: Advance) -> set[str]:
        """Do what is planned, `main` last, so that at any moment the board has the old application or the new one.

        Returns the paths that were sent: others were there already, under the names of an interrupted deployment.
        """

    def start(self, rejoin: bool) -> None:
        """Start what is deployed, from the beginning; `rejoin`: with a radio that is in no network any more."""

    def address(self, port: int | None, show: Show) -> tuple[str, int]:
        """Wait until the application listens: the board's host (HOST:PORT for a simulated one), and its port.

        port    where it listens, if the board cannot tell; then an address is enough
        show    gets what the board has said meanwhile
        """

    def hear(self, seconds: float) -> bytes:
        """What it says, after so many seconds at the latest; nothing where no line tells."""

    def cancel(self) -> None:
        """Let what another thread does with it end at once, with a DeployError."""

    def go_on(self) -> None:
        """What was stopped starts anew. Raises DeployError where it cannot."""

    def close(self) -> None:
        """Let go of the board, which goes on: what was stopped starts anew. Raises DeployError where it cannot."""


@contextlib.contextmanager
def held(board: Board) -> Iterator[None]:
    """However this block ends, the board is let go of, and it is said if it cannot go on."""
    try:
        yield
    except BaseException:
        let_go(board)
        raise
    board.close()


def let_go(board: Board) -> None:
    """After something else has failed, which is the error to raise."""
    try:
        board.close()
    except DeployError as error:
        complain(str(error))
