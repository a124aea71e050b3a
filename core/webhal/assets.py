"""What `webhal build-assets` wrote of a folder of static files: their fingerprints; loaded where a folder has them.

They are in the folder's file .assets, a line "fingerprint size name" for each file. A fingerprint is the beginning of
the SHA-256 of what the file had then; it counts as long as the file has the same size and, on a PC, is not younger.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DIGITS = 12  # of a fingerprint


def fingerprint(files: "Any", name: str, plain: "Any") -> str:
    """The fingerprint of a file of a StaticFiles, whose status is `plain`; "" where there is none that counts."""
    manifest = files.status(".assets")
    if manifest:
        time = manifest[8]
        if sys.implementation.name == "cpython":
            time = manifest.st_mtime_ns
        digits, size = find(files.folder + "/.assets", name.encode(), time)
        if sys.implementation.name == "cpython":  # the clocks of boards begin anew with each start
            if plain and plain[8] > manifest[8]:
                return ""
        if not plain or plain[6] == size:  # a board may have the compressed file alone
            return digits
    return ""


def find(path: str, name: bytes, time: int) -> "tuple[str, int]":
    """(fingerprint, size) that a manifest of this time has for a name; ("", -1) for none."""
    with open(path, "rb") as file:
        for line in file:  # a board has not the memory for all of it
            digits, size, known = line[:-1].split(b" ", 2)
            if known == name:
                return str(digits, "utf-8"), int(size)
    return "", -1


if sys.implementation.name == "cpython":
    from functools import lru_cache

    find = lru_cache(4096)(find)


def split(name: str) -> "tuple[str, str]":
    """("style.css", "0123456789ab") of "style.0123456789ab.css"; (name, "") of what has no such part."""
    end = name.rfind(".")
    start = end - _DIGITS
    digits = name[max(0, start) : end]
    if start > 1 and name[start - 1] == "." and not digits.strip("0123456789abcdef"):
        return name[: start - 1] + name[end:], digits
    return name, ""


def url(known: "list[Any]", name: str) -> str:
    """The path, not escaped, at which the latest of these StaticFiles that has a file serves it.

    With its fingerprint, where it has one. Raises ValueError where none has it.
    """
    for files in reversed(known):
        plain = files.status(name)
        digits = fingerprint(files, name, plain)
        if digits or plain or files.status(name + ".gz") or files.status(name + ".br"):
            dot = name.rfind(".")
            if digits and dot > name.rfind("/") + 1:
                name = name[:dot] + "." + digits + name[dot:]
            name = "/" + name
            while hasattr(files, "parent"):
                for prefix, mounted in files.parent.mounts:
                    if mounted is files:
                        name = prefix + name
                files = files.parent
            return name
    raise ValueError("no folder of static files has " + name)
