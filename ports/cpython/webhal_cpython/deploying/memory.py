"""`webhal check --memory`: how much of a board's memory an application takes, measured on a simulated board.

Its heap is the board's, for its words are as long as an ESP8266's and ESP32's; what stands for hardware measures 0, and
drivers that are part of a firmware are not counted.
"""

from __future__ import annotations

import argparse
import ast
import http.client
import queue
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webhal_cpython.cli import complain
from webhal_cpython.deploying import DeployError, fileset, project, rom
from webhal_cpython.deploying.board import Facts
from webhal_cpython.deploying.console import last_words, wait_for_address

if TYPE_CHECKING:
    from webhal.testing.boards.machine import MicroPythonBoard

TARGETS = ("esp8266", "esp32", "rp2")
_PLENTY = 256  # KB, in which any application is to answer
_CLIENTS = 4  # at once: a browser opens several connections
_ROUNDS = 2  # of all requests, by each client
_START_S = 10
_ANSWER_S = 3
_MOST = 1 << 20  # bytes of an answer that are read
_EXACT = 1  # KB

# Runs the application's text, and prints its routes instead of serving.
_LIST = b"""\
from webhal import App
def show(app, prefix=""):
    for key in app.routes:
        method, path = key.split(" ", 1)
        print("webhal route", method, prefix + path)
    for method, segments, _ in getattr(app, "patterns", ()):
        path = "/".join([part if type(part) is str else "1" for part in segments])
        print("webhal route", method, prefix + path)
    for path, mounted in getattr(app, "mounts", ()):
        if hasattr(mounted, "routes"):
            show(mounted, prefix + path)
def run(app, *values, **more):
    show(app)
    print("webhal routes end")
    raise SystemExit
App.run = run
exec(open("webhal_app.py").read(), {"__name__": "__main__"})
"""
_LISTED = b"webhal routes end"


@dataclass(frozen=True)
class Layout:
    """Where an application's code is."""

    name: str
    advice: str  # if it fits so, and not in those before
    files: dict[str, bytes]
    image: bytes = b""  # of the ROM partition


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    status: int | None  # where there is memory enough; None: no answer in time

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def main(arguments: argparse.Namespace) -> int:
    targets = arguments.target or []
    if len(arguments.files) != 1 or len(targets) != 1 or targets[0] not in TARGETS:
        return complain(f"--memory takes one FILE, and one --target of {', '.join(TARGETS)}", 2)
    arguments.file = Path(arguments.files[0])
    try:
        project.complete(arguments)
        check = Check(fileset.read_application(arguments.file), arguments.assets, targets[0])
        for line in check.report(free(targets[0])):
            print(line, flush=True)
        return 0 if check.fits else 1
    except DeployError as error:
        for line in str(error).split("\n"):
            complain(line)
        return 1


def free(chip: str) -> int:
    """KB of memory that such a board has when it starts."""
    from webhal.testing.boards.machine import CHIPS

    return CHIPS[chip][0]


def explain(application: fileset.Application, assets: list[Path], facts: Facts) -> Iterator[str]:
    """Lines about why a board ran out of memory, with figures where they can be measured here."""
    if facts.dialect in TARGETS and facts.memory:
        yield "as `webhal check --memory` measures it on a simulated board:"
        try:
            yield from Check(application, assets, facts.dialect).report(facts.memory // 1024)
        except DeployError as error:
            yield from str(error).split("\n")


class Check:
    """Measures one application."""

    fits = False  # somehow, once it is reported

    def __init__(self, application: fileset.Application, assets: list[Path], target: str) -> None:
        """Raises DeployError without a MicroPython of 32 bits, or for an application that does not start."""
        self.target = target
        self._executable = find_micropython()
        self._application = application
        facts = Facts("micropython", (1, 25, 0), target, mpy=6)
        fileset.check(application, facts)
        self._main = "main.py"
        self._files = fileset.collect(application, facts, self._main, assets)
        self._full = fileset.collect(application, facts, self._main, assets, "full")
        self._hardware = ("machine", *_others(application))
        self.routes = self._ask_for_routes()

    def report(self, have: int) -> Iterator[str]:
        """Lines for somebody whose board has so many KB."""
        yield f"{self.target}, {have} KB free at its start; {_CLIENTS} clients ask for {len(self.routes)} routes:"
        for route in self.routes:
            if route.status is None:
                yield f"    {route}: no answer within {_ANSWER_S} s, so it is left out"
            elif route.status >= 500:
                yield f"    {route}: {route.status}, maybe for lack of hardware, or of a file that --with is to name"
        advice = []
        for layout in self._layouts():
            keeps, needs = self._measure(layout)
            self.fits = self.fits or needs <= have
            if needs <= have:
                advice.append(layout.advice)
            words = f"{have - needs} KB to spare" if needs <= have else f"{needs - have} KB too few"
            yield f"  {layout.name:44} keeps {keeps:3} KB, needs {needs:3} KB: {words}"
        yield (
            advice[0]
            if advice
            else "It does not fit: give it shorter answers and fewer modules, or take a larger board."
        )

    def _layouts(self) -> Iterator[Layout]:
        source = self._application.sources[""]
        yield Layout("webhal on the file system", "It fits as `webhal deploy` sends it to any such board.", self._files)
        yield Layout(
            "and the application in a module beside it",
            "It fits once main.py is short: move its code into modules beside it, which are sent compiled.",
            {
                **self._files,
                rom.MODULE: rom.compile_application(source, self._main),
                self._main: b"import webhal_app\n",
            },
        )
        for name, whole in (("webhal in ROM", False), ("all in ROM (--rom)", True)):
            outside, inside = rom.split(self._full, self._main, source, whole)
            advice = f"It fits on a board with a ROM partition: {rom.FIRMWARE[self.target]}"
            yield Layout(name, advice, outside, rom.build(inside))

    # -- a board with it -------------------------------------------------------------------------------

    @contextmanager
    def _board(self, layout: Layout, heap: int) -> Iterator[tuple[MicroPythonBoard, Callable[[float], bytes]]]:
        """A board with so many KB, and what it says after so many seconds at the latest."""
        from webhal.testing.boards.machine import MicroPythonBoard

        with tempfile.TemporaryDirectory(prefix="webhal-check-") as work:
            folder = Path(work, "flash")
            for name, data in {"settings.toml": b'CIRCUITPY_WIFI_SSID = "simulated"\n', **layout.files}.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            board = MicroPythonBoard(
                self.target,
                folder,
                self._executable,
                flash=1 << 24,
                rom=(len(layout.image) + 4095) // 4096 * 4096,
                heap=heap << 10,
                stand_ins=self._hardware,
            )
            if layout.image:
                board.rom_file.write_bytes(layout.image + bytes(-len(layout.image) % 4096))
            with board:
                # Not pyserial's, which would throw away what was said already; and read all the time, lest it fill up.
                said: queue.Queue[bytes] = queue.Queue()
                threading.Thread(target=_listen, args=(board.target, said), daemon=True).start()
                yield board, lambda seconds: _next(said, seconds)

    def _ask_for_routes(self) -> list[Route]:
        files = {**self._files, "webhal_app.py": self._files[self._main], self._main: _LIST}
        said = b""
        with self._board(Layout("", "", files), _PLENTY) as (_, hear):
            give_up = time.monotonic() + _START_S
            while b"\n>>>" not in said and _LISTED not in said and time.monotonic() < give_up:
                said += hear(0.1)
        text = said.decode("utf-8", "replace")
        found = [(method, path) for method, path in re.findall(r"^webhal route (\S+) (.*?)\r?$", text, re.MULTILINE)]
        if not found:
            words = last_words(text)
            complaint = f"{self._application.path} does not come to app.run() on a simulated {self.target}"
            raise DeployError(f"{complaint}:\n{words}" if words else complaint)
        with self._serving(Layout("", "", self._files), _PLENTY) as board:
            return [Route(*each, _ask(board.url, *each)) for each in found]

    @contextmanager
    def _serving(self, layout: Layout, heap: int) -> Iterator[MicroPythonBoard]:
        """Raises DeployError with the traceback if it does not come up."""
        with self._board(layout, heap) as (board, hear):
            wait_for_address(hear, self.target, None, lambda said: None)
            yield board

    # -- measuring -------------------------------------------------------------------------------------

    def _measure(self, layout: Layout) -> tuple[int, int]:
        """KB that are kept once everything was asked for, and the least that are enough."""
        keeps = self._try(layout, _PLENTY)
        if keeps is None:
            raise DeployError(f"{self._application.path} does not answer twice alike, so its memory cannot be measured")
        least, enough = keeps - _EXACT, keeps
        while enough < _PLENTY and self._try(layout, enough) is None:
            least, enough = enough, min(_PLENTY, enough + 2 * (enough - least))
        while enough - least > _EXACT:
            middle = (least + enough) // 2
            if self._try(layout, middle) is None:
                least = middle
            else:
                enough = middle
        return keeps, enough

    def _try(self, layout: Layout, heap: int) -> int | None:
        """KB that are in use after all routes were asked for; None if one was not answered."""
        routes = [route for route in self.routes if route.status is not None]

        def client(number: int) -> bool:
            return all(
                _ask(board.url, route.method, route.path) == route.status
                for _ in range(_ROUNDS)
                for route in routes[number:] + routes[:number]
            )

        try:
            with self._serving(layout, heap) as board, ThreadPoolExecutor(_CLIENTS) as pool:
                answered = all(list(pool.map(client, range(_CLIENTS))))
                return (board.used + 1023) // 1024 if answered else None
        except DeployError:
            return None


def _listen(port: str, said: queue.Queue[bytes]) -> None:
    """Until the board has no power any more."""
    with suppress(OSError), open(port, "rb", buffering=0) as line:
        while piece := line.read(4096):
            said.put(piece)


def _next(said: queue.Queue[bytes], seconds: float) -> bytes:
    try:
        return said.get(timeout=seconds)
    except queue.Empty:
        return b""


def _ask(url: str, method: str, path: str) -> int | None:
    """The status of a whole answer; None if there is none in time."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_ANSWER_S)
    try:
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        with suppress(TimeoutError):  # an answer that goes on for ever
            answer.read(_MOST)
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _others(application: fileset.Application) -> list[str]:
    """The modules that an application imports and that are neither its own nor webhal's."""
    names: set[str] = set()
    for node in (node for tree in application.trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    own = {name.split("/")[0].removesuffix(".py") for name in application.sources}
    return sorted({name.split(".")[0] for name in names} - own - {"webhal"})


def find_micropython() -> str:
    """One with words of 32 bits, as boards have. Raises DeployError."""
    from webhal.testing.boards.machine import find_micropython

    with suppress(FileNotFoundError, OSError, subprocess.SubprocessError):
        path = find_micropython()
        said = subprocess.run([path, "-c", "import sys; print(sys.maxsize)"], capture_output=True, timeout=10).stdout
        if int(said or 0) == (1 << 31) - 1:
            return path
    raise DeployError(
        "no MicroPython with words of 32 bits, as boards have: name one in WEBHAL_MICROPYTHON32 (on Debian"
        " `python tools/micropython.py --bits 32` in a checkout of webhal prints the path of one)"
    )
