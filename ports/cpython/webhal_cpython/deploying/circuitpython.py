"""How an application is put on a CircuitPython board, by whatever way it takes files.

Its file system is FAT: nothing that exists is replaced at once, and the web workflow does not rename onto a file at
all. So a deployment is a folder, modules and assets together, and the board keeps two. What is new is written to the
folder that nobody uses. Its mark is written last, and is good only when it is whole. code.py, which stays the same,
starts the newest folder with a good mark. To go back is to remove the newest mark.

Paths of a plan are in the folder that is to be written; those that begin with "/", and settings.toml, are the drive's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance
from webhal_cpython.deploying.plan import NEW, RECORD, Plan, digest, of_interest, read_record, write_record
from webhal_cpython.deploying.rom import Partition
from webhal_cpython.deploying.settings import NAME as SETTINGS

MAIN = "code.py"
FIRST = "code.txt"  # runs instead of MAIN
FOLDERS = ("webhal.1/", "webhal.2/")
MARK = "webhal.mark"  # in a folder: "12 complete" for the twelfth deployment
RELOAD_S = 1.5  # from the last write to the new start, and some more

LOADER = b"""\
# webhal deploy put this file here. The application is in webhal.1 or webhal.2: the newest complete one runs.
import os
import sys

try:
    os.stat("settings.toml")
except OSError:
    try:
        os.rename("settings.toml.new", "settings.toml")  # where replacing it was interrupted
        import microcontroller

        microcontroller.reset()  # the firmware reads it, and joins the WiFi
    except OSError:
        pass  # none, or the drive is the computer's
newest = 0
for folder in ("/webhal.1", "/webhal.2"):
    try:
        with open(folder + "/webhal.mark") as file:
            number, word = file.read().split()
        if word == "complete" and int(number) > newest:
            newest = int(number)
            place = folder
    except (OSError, ValueError):
        pass  # not there, or not complete
if not newest:
    raise RuntimeError("no application is complete: repeat `webhal deploy`")
os.chdir(place)
sys.path[:0] = [place, place + "/lib"]
__file__ = place + "/code.py"
with open(__file__) as file:
    text = file.read()
text = compile(text, __file__, "exec")
exec(text)
"""
_SIGN = LOADER[: LOADER.index(b"\n")]  # of every version of it


class Placing:
    """The part of a board.Board that is the same for a drive and for the web workflow."""

    target: str
    main = MAIN
    rom: Partition | None = None
    changed = False  # whether something was written
    _folder = FOLDERS[0]  # which plans are for
    _running: str | None = None  # the folder that the board starts
    _numbers: dict[str, int] = {}  # of the folders that are complete
    _wanted: Collection[str] = ()

    # -- what a way has to offer; paths are on the drive --------------------------------------------

    def get(self, path: str) -> bytes | None:
        """A file's content; None if there is none."""
        raise NotImplementedError

    def put(self, path: str, data: bytes) -> None:
        """Write a file, and the folders that it needs; it need not be at once."""
        raise NotImplementedError

    def move(self, path: str, to: str) -> None:
        """Rename a file, at once, to a name that is free."""
        raise NotImplementedError

    def delete(self, path: str) -> None:
        """Remove a file, and its folder if it was the last one there; nothing if it is not there."""
        raise NotImplementedError

    # -- what a board has -----------------------------------------------------------------------------

    def cancel(self) -> None:
        """Nothing: no way of these stops the application."""

    def go_on(self) -> None:
        """Nothing, for the same reason."""

    def complete(self) -> None:
        """Put in place what an interrupted deployment has left to do."""
        waiting = self.get(FIRST)
        if waiting is not None:
            if not waiting.startswith(_SIGN) and not self._of_earlier_webhal(waiting):
                raise DeployError(f"{self.target}: {FIRST} on the board would run instead of {MAIN}: remove it")
            self._put_main(waiting)
        settings = self.get(SETTINGS + NEW)
        if settings is not None and self.get(SETTINGS) is None:  # removed, so what was to follow it is whole
            self._replace(SETTINGS, settings)
        elif settings is not None:
            self.delete(SETTINGS + NEW)

    def missing(self, modules: Iterable[str]) -> set[str]:
        """None: it is not asked, because that would take its REPL."""
        return set()

    def placed(self, wanted: dict[str, bytes]) -> dict[str, bytes]:
        """See board.Board. Chooses the folder: the one that runs if it has all that, else the other."""
        self._wanted = wanted = {"/" + MAIN: LOADER, **wanted}
        self._look()
        if self._running:
            self._folder = self._running
            hashes = {path: digest(data) for path, data in wanted.items()}
            record = read_record(self.get(self._folder + RECORD))
            same = record == {path: {known} for path, known in hashes.items()}
            if not same or self.hashes(of_interest(wanted, ())) != hashes:
                self._folder = next(folder for folder in FOLDERS if folder != self._running)
        return wanted

    def _look(self) -> None:
        """Find out what the board starts."""
        self._numbers = {}
        for folder in FOLDERS:
            if found := re.fullmatch(rb"(\d{1,9}) complete\s*", self.get(folder + MARK) or b""):
                self._numbers[folder] = int(found[1])
        there = (self.get(MAIN) or b"").startswith(_SIGN)
        self._running = max(self._numbers, key=self._numbers.__getitem__) if there and self._numbers else None

    def read(self, path: str) -> bytes | None:
        if path != RECORD:
            return self.get(self._on_drive(path))
        content = self.get(self._folder + RECORD)
        recorded = read_record(self.get(self._folder + RECORD + NEW) if content is None else content)
        if self._folder not in self._numbers:  # an interrupted deployment may have written a part of any file
            recorded = {path: {known} for path, known in self.hashes({*recorded, *self._wanted}).items()}
            recorded.pop("/" + MAIN, None)
        if self._running:  # what webhal 0.1 put outside of folders; before, it is the application to go back to
            recorded.update(("/" + path, known) for path, known in read_record(self.get(RECORD)).items())
        main = self.get(MAIN) or b""
        if main.startswith(_SIGN) or self._of_earlier_webhal(main):
            recorded["/" + MAIN] = {digest(main)}
        return write_record(recorded)

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: digest(data) for path in paths if (data := self.get(self._on_drive(path))) is not None}

    def _on_drive(self, path: str) -> str:
        if path.startswith("/"):
            return path[1:]
        return path if path == SETTINGS else self._folder + path

    # -- changing it ----------------------------------------------------------------------------------

    def remember(self, plan: Plan) -> Callable[[], object] | None:
        main, settings = self.get(MAIN) or b"", self.get(SETTINGS)
        if not (plan.send or plan.remove) or not (self._running or self._of_earlier_webhal(main)):
            return None

        def undo() -> None:
            if self._running and self._folder != self._running:
                self.delete(self._folder + MARK)
            if self.get(MAIN) != main:
                self._put_main(main)
            if settings is not None and self.get(SETTINGS) != settings:
                self._replace(SETTINGS, settings)

        return undo

    def _of_earlier_webhal(self, main: bytes) -> bool:
        """Whether webhal 0.1 put this MAIN here, which was the application itself."""
        return digest(main) in read_record(self.get(RECORD)).get(MAIN, ())

    def apply(self, plan: Plan, advance: Advance) -> set[str]:
        """What board.Board.apply promises."""
        for path, copy in plan.keep.items():
            self.put(self._on_drive(copy), self._content(self._on_drive(path)))
        if self._folder != self._running:
            self._fill(plan, advance)
        if "/" + MAIN in plan.send:
            self._put_main(LOADER)
            advance(len(LOADER))
        if SETTINGS in plan.send:  # now that LOADER can help where this is interrupted
            self._replace(SETTINGS, plan.send[SETTINGS])
            advance(len(plan.send[SETTINGS]))
        earlier = [path[1:] for path in plan.remove if path.startswith("/")]
        for path in [*earlier, RECORD] if earlier else []:
            self.delete(path)
        return {*plan.send}

    def _fill(self, plan: Plan, advance: Advance) -> None:
        """Make the folder that does not run what it shall be, its mark last."""
        self.delete(self._folder + MARK)
        self._numbers.pop(self._folder, None)
        self._replace(self._folder + RECORD, plan.union)
        for path, data in plan.send.items():
            if self._on_drive(path).startswith(self._folder):
                self.put(self._folder + path, data)
                advance(len(data))
        for path in plan.remove:
            if not path.startswith("/"):
                self.delete(self._folder + path)
        self._replace(self._folder + RECORD, plan.record)
        self._numbers[self._folder] = max(self._numbers.values(), default=0) + 1
        self.put(self._folder + MARK, b"%d complete\n" % self._numbers[self._folder])

    def _put_main(self, data: bytes) -> None:
        """Replace MAIN at once: FIRST stands in for it."""
        self.delete(FIRST + NEW)
        if self.get(FIRST) != data:
            self.put(FIRST + NEW, data)
            self.move(FIRST + NEW, FIRST)
        self.put(MAIN, data)
        self.delete(FIRST)

    def _replace(self, path: str, data: bytes) -> None:
        """Replace a file, so that it is whole or missing at any moment, and if missing, whole under its new name."""
        self.put(path + NEW, data)
        self.delete(path)
        try:
            self.move(path + NEW, path)
        except DeployError:
            if self.get(path) != data:  # LOADER, which a reload has started just now, may have done it
                raise

    def _content(self, path: str) -> bytes:
        content = self.get(path)
        if content is None:
            raise DeployError(f"{self.target}: {path} has gone meanwhile; repeat the command")
        return content
