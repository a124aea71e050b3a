"""The ROM partition of a MicroPython board: what goes there, and writing it so that the power may go at any byte.

Bytecode in ROM runs where it lies and takes none of the heap. Here are the image and the programs that read and write
the partition; what is on the file system meanwhile is serial_board.py's.
"""

from __future__ import annotations

import ast
import base64
from collections.abc import Callable
from dataclasses import dataclass

from webhal_cpython.compiling import CompileError, compile_mpy
from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance, Board
from webhal_cpython.deploying.plan import PACKAGES, RECORD, ROM, digest, read_record, write_record

FIRMWARE = {  # that has one
    "esp8266": "the firmware ESP8266_GENERIC, variant FLASH_2M_ROMFS, has one",
    "esp32": "a firmware built with MICROPY_VFS_ROM has one, none of those to download",
    "rp2": "a firmware built with MICROPY_HW_ROMFS_BYTES has one, none of those to download",
}
_PIECE = 512  # bytes written at once: a multiple of every chip's least write
_MAGIC = b"\xd2\xcd1"  # with which an image begins

MODULE = "webhal_app.mpy"  # an application, compiled
_START = b"""\
# The application is in the ROM partition, and what it opens by a relative path, too.
import os
os.chdir("/rom")
import webhal_app
"""

_TOOLS = f"""\
import os, sys, vfs
from binascii import a2b_base64, b2a_base64
from hashlib import sha256
rom = vfs.rom_ioctl(2, 0)
block = rom.ioctl(5, 0) if hasattr(rom, 'ioctl') else 0
def rom_read(start, size):
    if not block:
        return bytes(rom[start:start + size])
    piece = bytearray(size)
    rom.readblocks(start // block, piece, start % block)
    return piece
def rom_hash(start, end):
    hash = sha256()
    while start < end:
        hash.update(rom_read(start, {_PIECE}))
        start += {_PIECE}
    return ''.join(['%02x' % byte for byte in hash.digest()[:8]])
def rom_erase(size):
    if block:
        for start in range(0, size, block):
            rom.ioctl(6, start // block)
    else:
        check(vfs.rom_ioctl(3, 0, size))
def rom_write(start, text):
    if block:
        rom.writeblocks(start // block, a2b_base64(text), start % block)
    else:
        check(vfs.rom_ioctl(4, 0, start, a2b_base64(text)))
def check(result):
    if result < 0:
        raise OSError(-result)
def there(path):
    try:
        return os.stat(path)
    except OSError:
        pass
def files(folder):
    try:
        return [folder + '/' + name for name in os.listdir(folder)]
    except OSError:
        return []
def loaded():
    for name in sys.modules:
        for folder in ('{ROM}/', '{ROM}/lib/'):
            path = folder + name.replace('.', '/')
            if there(path) or there(path + '.mpy') or there(path + '.py'):
                return name
"""

_FOLDERS = ("webhal", "webhal_micropython", "lib/webhal", "lib/webhal_micropython")  # found before those in ROM


@dataclass(frozen=True)
class Content:
    """What a partition holds."""

    valid: bool  # it begins as an image does
    own: bool  # webhal wrote it
    digest: str  # plan.digest, of as many bytes as were asked for
    hiding: list[str]  # files of the file system in packages that would be found before those in ROM


class Partition:
    """The partition of a board on which `run` runs programs: its function is that of SerialBoard."""

    def __init__(self, run: Callable[[str], str], size: int) -> None:
        self.size = size  # bytes
        self._run = run

    def look(self, size: int) -> Content:
        self._run(_TOOLS)
        program = (
            f"print((rom_read(0, 3) == {_MAGIC!r}, bool(there('{ROM}/{RECORD}')), rom_hash(0, {size}),"
            f" sum([files(folder) for folder in {_FOLDERS!r}], [])))"
        )
        return Content(*ast.literal_eval(self._run(program)))

    def read(self) -> bytes:
        """The image that it holds, as `build` makes them."""
        self._run(_TOOLS)
        image = b""
        size = _PIECE
        while len(image) < size:
            image += base64.b64decode(self._run(f"print(str(b2a_base64(rom_read({len(image)}, {_PIECE})), 'ascii'))"))
            size = _size(image)
        return image

    def uncover(self) -> None:
        """Remove folders without files that would be found before those in ROM."""
        for folder in _FOLDERS:
            self._run(f"try:\n    os.rmdir({folder!r})\nexcept OSError:\n    pass")

    def write(self, image: bytes, advance: Advance) -> None:
        """Nothing in it can be loaded until it is whole: its beginning is written last. Raises DeployError."""
        self._run(_TOOLS)
        name = self._run("print(loaded() or '')").strip()
        if name:
            raise DeployError(f"its boot.py imports {name} from the ROM partition: let it not, and try again")
        self._run(f"try:\n    vfs.umount('{ROM}')\nexcept OSError:\n    pass\nrom_erase({len(image)})")
        for start in range(_PIECE, len(image), _PIECE):
            self._write_piece(image, start, advance)
        self._verify(image, _PIECE)
        self._write_piece(image, 0, advance)
        self._verify(image, 0)

    def _write_piece(self, image: bytes, start: int, advance: Advance) -> None:
        piece = image[start : start + _PIECE]
        self._run(f"rom_write({start}, {base64.b64encode(piece)!r})")
        advance(len(piece))

    def _verify(self, image: bytes, start: int) -> None:
        if self._run(f"print(rom_hash({start}, {len(image)}))").strip() != digest(image[start:]):
            raise DeployError("its ROM partition does not keep what is written to it; try again")


@dataclass(frozen=True)
class Share:
    """The part of a deployment that is in ROM."""

    files: dict[str, bytes]  # by their paths there
    image: bytes
    content: Content  # of the partition, before

    def modules(self) -> list[str]:
        return [path for path in self.files if path.endswith((".py", ".mpy"))]

    def hidden_by(self, path: str) -> bool:
        """Whether a file of the file system would be loaded instead of one of its modules."""
        stem = path.rpartition(".")[0]
        return path in self.content.hiding or any(stem + ending in self.modules() for ending in (".py", ".mpy"))


def divide(
    board: Board,
    partition: Partition,
    files: dict[str, bytes],
    application: str,
    whole: bool,
    say: Callable[[str], None],
) -> tuple[dict[str, bytes], Share] | None:
    """What of a MicroPython's `files` goes to the file system, and what into ROM; None if nothing can.

    webhal goes into ROM; with `whole` everything, but for a main.py that starts the application, whose text
    `application` is. `say` is told why nothing can. Raises DeployError.
    """
    outside, inside = split(files, board.main, application, whole)
    image = build(inside)
    if len(image) > partition.size:
        complaint = f"its ROM partition has {partition.size // 1024} KB, and {len(image) // 1024} KB are needed"
        if whole:
            raise DeployError(complaint)
    else:
        content = partition.look(len(image))
        if not content.valid or content.own or whole or ROM in read_record(board.read(RECORD)):
            return outside, Share(inside, image, content)
        complaint = "its ROM partition holds another image, which --rom would replace"
    say(f"{complaint}: webhal goes to the file system")
    return None


def split(
    files: dict[str, bytes], main: str, application: str, whole: bool
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What goes to the file system, and what into ROM. Raises DeployError."""
    if whole:
        inside = {path: data for path, data in files.items() if path != main}
        return {main: _START}, {**inside, MODULE: compile_application(application, main)}
    inside = {path: data for path, data in files.items() if path.startswith(PACKAGES)}
    return {path: data for path, data in files.items() if path not in inside}, inside


def compile_application(source: str, main: str) -> bytes:
    """The bytecode of MODULE, whose lines tracebacks call those of `main`. Raises DeployError."""
    try:
        return compile_mpy(_as_main(source), main)
    except CompileError as error:
        raise DeployError(str(error)) from error


def _as_main(source: str) -> str:
    """`source` as a module for which `__name__` is "__main__", but in f-strings; every line keeps its number."""
    rows = source.encode().split(b"\n")  # which is what ast counts in
    tree = ast.parse(source)
    formatted = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "__name__"]
    for node in sorted(names, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if id(node) not in formatted:
            row, start = rows[node.lineno - 1], node.col_offset
            rows[node.lineno - 1] = row[:start] + b'"__main__"' + row[start + len("__name__") :]
    return b"\n".join(rows).decode()


def _size(image: bytes) -> int:
    """Bytes of an image, whose beginning suffices; 0 if it is none. After the magic comes its length, 7 bits a byte."""
    length = 0
    if not image.startswith(_MAGIC):
        return 0
    for index in range(len(_MAGIC), len(image)):
        length = length << 7 | image[index] & 0x7F
        if image[index] < 0x80:
            return index + 1 + length
    return 0


def build(files: dict[str, bytes]) -> bytes:
    """The image that holds these files, and a record of them that says whose it is. Raises DeployError."""
    from mpremote.romfs import VfsRomWriter

    record = write_record({path: {digest(data)} for path, data in files.items()})
    image = VfsRomWriter()
    opened: list[str] = []
    for path, data in sorted({**files, RECORD: record}.items()):
        if not path.isascii():
            raise DeployError(f"{path}: a name in ROM is ASCII")
        *folders, name = path.split("/")
        while opened != folders[: len(opened)]:
            image.closedir()
            opened.pop()
        for folder in folders[len(opened) :]:
            image.opendir(folder)
            opened.append(folder)
        image.mkfile(name, data)
    for _ in opened:
        image.closedir()
    whole = bytes(image.finalise())
    return whole + b"\xff" * (-len(whole) % _PIECE)
