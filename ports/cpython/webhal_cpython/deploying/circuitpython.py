"""How new files are put in place on a CircuitPython board, by whatever way it takes files.

Such a board cannot be asked to rename many files at once, and some of its ways cannot replace one. But it runs code.txt
rather than code.py, and looks for modules in the order of sys.path. So where modules are replaced that the old
application uses, the new ones are sent to a folder of their own first; then one rename makes a code.txt that runs the
new application from there; the files in their places, which nobody looks at meanwhile, are replaced; and when code.txt
is removed the new application runs from its own place. At any moment the board starts one of the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance
from webhal_cpython.deploying.plan import NEW, RECORD, Plan, digest, read_record

MAIN = "code.py"
FIRST = "code.txt"  # runs instead of MAIN
OVERLAY = "webhal.new/"
RELOAD_S = 1.5  # from the last write to the new start, and some more
_PACKAGES = ("lib/webhal/", "lib/webhal_circuitpython/")

_RUN_OVERLAY = b"""\
# webhal puts a new application in place. If that was interrupted, deploying again completes it.
import sys

sys.path[:0] = ["/webhal.new", "/webhal.new/lib"]
with open("/webhal.new/code.py") as file:
    text = file.read()
exec(text)
"""


class Placing:
    """The part of a board.Board that is the same for a drive and for the web workflow."""

    target: str
    main = MAIN
    changed = False  # whether something was written

    def read(self, path: str) -> bytes | None:
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

    def overlay(self) -> list[str]:
        """The files under OVERLAY, by their names there."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Nothing: no way of these stops the application."""

    def complete(self) -> None:
        """Put in place what an interrupted deployment has left to do."""
        waiting = self.read(FIRST)
        if waiting is None:
            self._drop_overlay()
            return
        if waiting == _RUN_OVERLAY:
            for name in self.overlay():
                self.put(name, self._content(OVERLAY + name))
            self.delete(FIRST)
            self._drop_overlay()
        elif digest(waiting) in read_record(self.read(RECORD)).get(MAIN, ()):
            self.put(MAIN, waiting)
            self.delete(FIRST)
        else:
            raise DeployError(f"{self.target}: {FIRST} on the board would run instead of {MAIN}: remove it")
        self.changed = True

    def place(self, plan: Plan, advance: Advance) -> None:
        """What board.Board.apply promises."""
        if not plan.send and not plan.remove and self.read(RECORD) == plan.record:
            return
        self.changed = True
        if self.read(RECORD) != plan.union:
            self._put_at_once(RECORD, plan.union)
        for path, copy in plan.keep.items():
            self.put(copy, self._content(path))
        added = [path for path in plan.send if path not in plan.replaced and path != MAIN]
        changed = [path for path in plan.send if path in plan.replaced and path != MAIN]
        used = [path for path in changed if path.endswith(".py")]
        for path in added:  # which the old application does not know; but settings.toml may be there
            self._put_at_once(path, plan.send[path])
            advance(len(plan.send[path]))
        if used or plan.remove:
            for path in _units(used, plan.wanted):
                self.put(OVERLAY + path, plan.wanted[path])
            self.put(OVERLAY + MAIN, plan.wanted[MAIN])
            self.put(FIRST + NEW, _RUN_OVERLAY)
            self.move(FIRST + NEW, FIRST)
        for path in changed:
            if path in used:
                self.put(path, plan.send[path])
            else:
                self._put_at_once(path, plan.send[path])
            advance(len(plan.send[path]))
        if MAIN in plan.send:
            if not (used or plan.remove):
                self.put(MAIN + NEW, plan.send[MAIN])
                self.move(MAIN + NEW, FIRST)
            self.put(MAIN, plan.send[MAIN])
            advance(len(plan.send[MAIN]))
        for path in plan.remove:
            self.delete(path)
        self.delete(FIRST)
        self._drop_overlay()
        if plan.record != plan.union:
            self._put_at_once(RECORD, plan.record)

    def _put_at_once(self, path: str, data: bytes) -> None:
        """For what no overlay stands in for."""
        self.put(path + NEW, data)
        self.replace(path + NEW, path)

    def replace(self, path: str, to: str) -> None:
        """Rename a file to a name that may be taken; as much at once as can be."""
        self.delete(to)
        self.move(path, to)

    def _drop_overlay(self) -> None:
        for name in self.overlay():
            self.delete(OVERLAY + name)
            self.changed = True

    def _content(self, path: str) -> bytes:
        content = self.read(path)
        if content is None:
            raise DeployError(f"{self.target}: {path} has gone meanwhile; repeat the command")
        return content


def _units(paths: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """These modules, and with each module of a package the whole package, which is looked for in one place only."""
    folders = set()
    for path in paths:
        package = next((package for package in _PACKAGES if path.startswith(package)), None)
        folders.add(package or (path.split("/")[0] + "/" if "/" in path else path))
    return [path for path in wanted if path.endswith(".py") and path.startswith(tuple(folders)) and path != MAIN]
