"""What is to be done to a board, from what it shall have, what it has, and what webhal put there before.

The record, a file on the board, says which files webhal put there: a line "digest  path" for each. A file whose
content is not the recorded one is foreign: somebody else's, and never lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from webhal_cpython.deploying import DeployError

if TYPE_CHECKING:
    from webhal_cpython.deploying.rom import Share

RECORD = "webhal.files"
ROM = "/rom"  # stands for the image in the record
NEW = ".new"  # follows the name of a file that is being written
_DIGITS = 16

# main.py while the partition is being written, where the application before it ran from there.
NOTICE = b"""\
# webhal writes to the ROM partition. If that was interrupted, there is no application until it is done.
import time
while True:
    print("webhal: deploying was interrupted; run `webhal deploy` once more, as before")
    time.sleep(5)
"""

PACKAGES = ("lib/webhal/", "lib/webhal_micropython/", "lib/webhal_circuitpython/")  # whoever put it there


@dataclass
class Plan:
    """Paths are on the board. Nothing is to be done for a path that is in no list."""

    main: str
    send: dict[str, bytes] = field(default_factory=dict)  # in this order
    remove: list[str] = field(default_factory=list)
    keep: dict[str, str] = field(default_factory=dict)  # foreign files in the way: the names of their copies
    wanted: dict[str, bytes] = field(default_factory=dict)  # all that the board shall have
    replaced: set[str] = field(default_factory=set)  # what is sent in the place of another version
    left: list[str] = field(default_factory=list)  # webhal's once, not needed, changed by somebody: they stay
    stale: list[str] = field(default_factory=list)  # what an interrupted deployment may have sent and nobody needs: NEW
    updates: bool = False  # there is an application of webhal's, which this changes, and can go back to
    image: bytes = b""  # for the ROM partition, if it is to be written
    pauses: bool = False  # the application before runs from ROM and cannot while this is done: NOTICE is there instead
    record: bytes = b""  # RECORD when all is done
    union: bytes = b""  # RECORD until then: of all that may be there

    @property
    def size(self) -> int:
        return sum(map(len, self.send.values())) + len(self.image)

    def flash(self, block: int) -> int:
        """Bytes of flash that it takes at most, while the old files are still there."""
        return sum((len(data) + block - 1) // block * block for data in self.send.values()) + 2 * block


def digest(data: bytes) -> str:
    """The first 64 bits of SHA-256: versions are told apart, not forgeries."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def read_record(content: bytes | None) -> dict[str, set[str]]:
    """The hashes that each path was recorded with; a damaged line is passed over, so its file counts as foreign."""
    recorded: dict[str, set[str]] = {}
    for line in (content or b"").decode("utf-8", "replace").splitlines():
        known, _, path = line.partition("  ")
        if len(known) == _DIGITS and path:
            recorded.setdefault(path, set()).add(known)
    return recorded


def write_record(recorded: dict[str, set[str]]) -> bytes:
    return "".join(f"{known}  {path}\n" for path in sorted(recorded) for known in sorted(recorded[path])).encode()


def of_interest(wanted: Iterable[str], recorded: Iterable[str]) -> list[str]:
    """The paths whose hashes `make` wants to know."""
    paths = {*wanted, *recorded}
    paths |= {twin for path in wanted if (twin := _twin(path))}
    return sorted(paths | set(_SHADOWS))


_SHADOWS = ("webhal/__init__.py", "webhal/__init__.mpy", "webhal.py", "webhal.mpy")  # found before those in lib/


def _twin(path: str) -> str:
    """The other file that the same import could load."""
    if path.endswith(".mpy"):
        return path[:-4] + ".py"
    return path[:-3] + ".mpy" if path.endswith(".py") else ""


def make(
    wanted: dict[str, bytes],
    main: str,
    actual: dict[str, str],
    recorded: dict[str, set[str]],
    settings: bytes | None = None,
    share: Share | None = None,
) -> Plan:
    """The plan. `settings`: what settings.toml shall be, None if it stays; it is the board's, so it is not recorded.

    share: what is in ROM, or to go there; files of the same names on the file system would be loaded instead.

    Raises DeployError where a foreign file would be loaded in the place of one that is sent.
    """
    plan = Plan(main, wanted=wanted)
    hashes = {path: digest(data) for path, data in wanted.items()}
    for path in wanted:
        if actual.get(path) != hashes[path]:
            plan.send[path] = wanted[path]
            if path in actual:
                plan.replaced.add(path)
            if path in actual and actual[path] not in recorded.get(path, ()) and not path.startswith(PACKAGES):
                plan.keep[path] = _copy(path, actual[path], path in recorded)
    if settings is not None:
        plan.send = {"settings.toml": settings, **plan.send}
    for path in actual:
        if path in wanted:
            continue
        if path in recorded and actual[path] not in recorded[path]:
            plan.left.append(path)
        elif path in recorded or (path.startswith(PACKAGES) and (share or _twin(path) in wanted)):
            plan.remove.append(path)
        elif path in _SHADOWS or (share and share.hidden_by(path)) or _twin(path) in wanted and path != main:
            raise DeployError(
                f"{path} on the board, which webhal did not put there, would be loaded instead: remove it"
            )
    for path in plan.left:
        if _twin(path) in wanted or (share and share.hidden_by(path)):
            raise DeployError(f"{path} on the board was changed there and would be loaded instead: remove it")
    if share and share.content.digest != digest(share.image):
        plan.image = share.image
        plan.pauses = share.content.valid
    elif not share:
        plan.pauses = ROM in recorded  # webhal's folder would be found before the one in ROM
    if plan.pauses:
        plan.send.setdefault(main, wanted[main])
        if main in actual:
            plan.replaced.add(main)
    record = {path: {hashes[path]} for path in wanted}
    plan.updates = main in recorded and actual.get(main) not in (None, digest(NOTICE))
    plan.updates = plan.updates and bool(plan.send or plan.remove or plan.image)
    plan.stale = [
        path for path in recorded if path not in plan.send and (path not in actual or len(recorded[path]) > 1)
    ]
    both = {path: {hashes[path]} for path in wanted}
    if share:
        record[ROM] = both[ROM] = {digest(share.image)}
    elif ROM in recorded:
        both[ROM] = recorded[ROM]
    if plan.pauses:
        both[main] = {hashes[main], digest(NOTICE)}
    plan.record = write_record(record)
    for path, known in recorded.items():
        if path in actual:
            both.setdefault(path, set()).update(known)
    plan.union = write_record(both)
    return plan


def _copy(path: str, known: str, edited: bool) -> str:
    """A name for a copy: one for what was edited on the board, one for each content that was never webhal's."""
    return f"{path}.bak" if edited else f"{path}.{known[:8]}.bak"


def undo(plan: Plan, old: dict[str, bytes], record: bytes, image: bytes) -> Plan:
    """The plan that brings back what `plan` has changed.

    old     the contents of what it has replaced and removed
    record  RECORD as it was before
    image   that `plan` has replaced in ROM, if the old application runs from there
    """
    back = Plan(plan.main, image=image, pauses=bool(image), record=record, union=plan.union)
    back.send = dict(sorted(old.items(), key=lambda item: item[0] == plan.main))  # it goes last
    back.remove = [path for path in plan.send if path not in old]
    back.replaced = {path for path in old if path in plan.send}
    back.wanted = {path: data for path, data in plan.wanted.items() if path not in plan.send} | back.send
    back.wanted.pop("settings.toml", None)
    return back
