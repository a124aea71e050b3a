"""MicroPythonBoard: a process of a real MicroPython, and the serial line to it.

What the process does as a board is in firmware.py. Here it is started, reset, interrupted and cut off from power,
and its line is a pseudo-terminal or a TCP port.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

_FIRMWARE = Path(__file__).with_name("firmware.py")
_XTENSAWIN, _XTENSA, _ARMV6M = 10, 9, 4

CHIPS = {  # name of the chip: KB of heap that are free when it starts; architecture of .mpy
    "esp8266": (34, _XTENSA),
    "esp32": (160, _XTENSAWIN),
    "rp2": (180, _ARMV6M),
}
_INTERRUPT_S = 0.2  # the unix port exits at a second Ctrl-C that comes before it has taken the first
_HEAP = 512  # KB, of the process: with firmware.py, and what it leaves to the board


class MicroPythonBoard:
    """A board that is on from `start` to `stop`, or within a `with` block.

    chip        "esp8266", "esp32" or "rp2"
    folder      what the flash holds; by default a new folder, removed at the end
    executable  a MicroPython of the unix port; by default the one on PATH, or that WEBHAL_MICROPYTHON32 or
                WEBHAL_MICROPYTHON names
    tcp         have a TCP port as the serial line, not a pseudo-terminal
    wifi        the password of each network in reach, by name; None: whatever network is asked for is there
    flash       bytes
    version     of MicroPython, as the board tells it
    rom         bytes of its ROM partition, a multiple of 4096; 0: it has none. On Linux only
    heap        bytes of memory that are free when it starts; with 64-bit words, which need more, it has twice as many
    stand_ins   modules of hardware that its program imports: what they measure is 0

    used        bytes of memory in use when its program last collected garbage
    rom_file    what the ROM partition holds: beside the folder, with `.rom` after its name
    target      what to deploy to
    url         where its application is, on whatever port it listens
    """

    def __init__(
        self,
        chip: str = "esp32",
        folder: "str | os.PathLike[str] | None" = None,
        executable: "str | os.PathLike[str] | None" = None,
        tcp: bool = False,
        wifi: "dict[str, str] | None" = None,
        flash: int = 1 << 20,
        version: "tuple[int, int, int]" = (1, 25, 0),
        rom: int = 0,
        heap: "int | None" = None,
        stand_ins: "tuple[str, ...]" = (),
    ) -> None:
        self.executable = str(executable or find_micropython())
        free, architecture = CHIPS[chip]
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="webhal-board-")
        self.folder = Path(folder or Path(self._own.name, "flash"))  # type: ignore[union-attr]
        self.folder.mkdir(exist_ok=True)
        self.rom_file = Path(f"{self.folder}.rom")
        if rom and not self.rom_file.exists():
            self.rom_file.write_bytes(b"\xff" * rom)
        self._tcp = tcp
        self._used = tempfile.NamedTemporaryFile()
        self._reserved = reserve_port()
        port = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._facts: dict[str, Any] = {
            "root": str(self.folder),
            "name": "Simulated board",
            "chip": chip,
            "runtime": "micropython",
            "version": version,
            "mpy": 6 | 3 << 8 | architecture << 10,
            "uid": uuid.uuid4().hex,
            "wifi": wifi,
            "flash": flash,
            "used": self._used.name,
            "stand_ins": stand_ins,
            "heap": heap or free << 10,
            "rom": str(self.rom_file) if rom else None,
            "port": port,
            "address": f"127.0.0.1:{port}",
            "raw": False,
            "programs": [["boot.py"], ["main.py"]],  # the first that is there of each
            "power": None,
        }
        self.target = ""
        self.boots = 0  # so far
        self.on = False  # whether it has power
        self._line: _Line | None = None
        self._thread: threading.Thread | None = None
        self._wake: tuple[int, int] | None = None

    _look_s: "float | None" = None  # how often _reloads is asked, if ever

    def _reloads(self) -> bool:
        """Whether it starts anew by itself."""
        return False

    def __enter__(self: "Any") -> "Any":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Give it power: it boots."""
        self._line = self._make_line()
        self.target = self._line.target
        self._wake = os.pipe()
        self.on = True
        self._thread = threading.Thread(target=self._live, args=(self._line, self._wake[0]), daemon=True)
        self._thread.start()

    def _make_line(self) -> "_Line":
        return _TcpLine() if self._tcp else Terminal()

    @property
    def used(self) -> int:
        self._used.seek(0)
        return int(self._used.read() or 0)

    def unplug(self) -> None:
        """Take its power away, at once; its flash keeps what it has."""
        if self._thread and self._wake:
            os.close(self._wake[1])
            self._thread.join()
            os.close(self._wake[0])
            self._thread = self._wake = None

    def unplug_after(self, count: "int | None") -> None:
        """From the next boot on, lose power when `count` more bytes were written to its flash.

        A file that is made, renamed or removed counts as one byte. None: keep it.
        """
        self._facts["power"] = count

    def wait_until_off(self) -> None:
        """Wait for the moment that `unplug_after` has set."""
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """Take its power away and forget it."""
        self.unplug()
        self._reserved.close()
        self._used.close()
        if self._own:
            self._own.cleanup()

    def _live(self, line: "_Line", wake: int) -> None:
        """What the board does as long as it has power."""
        facts = dict(self._facts)
        try:
            with tempfile.TemporaryDirectory(prefix="webhal-radio-") as facts["radio"]:
                sign = "H"
                while sign in ("H", "S", "R"):
                    facts["raw"] = sign == "R"
                    if sign == "H":
                        Path(facts["radio"], "joined").write_text("")
                    else:
                        line.write(b"MPY: soft reboot\r\n")
                    facts["power"] = self._facts["power"]
                    self.boots += 1
                    sign = self._boot(facts, line, wake)
        finally:
            self.on = False
            line.close()

    def _boot(self, facts: "dict[str, Any]", line: "_Line", wake: int) -> str:
        """Run a process until it asks for a reset or loses power; the sign for it."""
        control, facts["control"] = os.pipe()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(facts, file)
            file.flush()
            process = subprocess.Popen(
                [self.executable, "-X", f"heapsize={_HEAP}k", str(_FIRMWARE), file.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(facts["control"],),
                bufsize=0,
                start_new_session=True,
                cwd="/",
            )
            os.close(facts["control"])
            try:
                return self._talk(process, control, line, wake)
            finally:
                process.kill()
                process.wait()
                process.stdin.close()  # type: ignore[union-attr]
                process.stdout.close()  # type: ignore[union-attr]
                os.close(control)

    def _talk(self, process: "subprocess.Popen[bytes]", control: int, line: "_Line", wake: int) -> str:
        output, entry = process.stdout.fileno(), process.stdin.fileno()  # type: ignore[union-attr]
        busy = False
        taken = 0.0  # when it has surely taken the last Ctrl-C
        pending = b""  # what the process has not read yet
        while True:
            readers = [control, output, wake, *line.readers()]
            ready, writable, _ = select.select(readers, [entry] if pending else [], [], self._look_s)
            if self._reloads():
                return "S"
            if wake in ready:
                return "P"
            if control in ready or process.poll() is not None:
                signs = os.read(control, 64).decode()
                for sign in signs:
                    if sign in "HSRP":
                        while select.select([output], [], [], 0)[0] and (data := os.read(output, 4096)):
                            line.write(data)  # the last words
                        return sign
                    busy = sign == "b"
                if not signs:
                    line.write(os.read(output, 4096))
                    return "P"  # it died
                continue  # the prompt comes after the sign
            if output in ready:
                line.write(os.read(output, 4096))
            if writable:
                with contextlib.suppress(BrokenPipeError):  # it has died just now: `control` tells next
                    pending = pending[os.write(entry, pending[:512]) :]
            if any(reader in ready for reader in line.readers()):
                data = line.read()
                if busy and b"\x03" in data:
                    if time.monotonic() > taken:
                        process.send_signal(signal.SIGINT)
                        taken = time.monotonic() + _INTERRUPT_S
                    data = data[data.rindex(b"\x03") + 1 :]
                pending += data


class _Line:
    """The serial line's end at the board."""

    target = ""

    def readers(self) -> "list[int]":
        raise NotImplementedError

    def read(self) -> bytes:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send, or lose what nobody reads, as a UART does."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Terminal(_Line):
    """A pseudo-terminal."""

    def __init__(self) -> None:
        import tty

        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.target = os.ttyname(self._theirs)

    def readers(self) -> "list[int]":
        return [self._ours]

    def read(self) -> bytes:
        try:
            return os.read(self._ours, 4096)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._ours, data) :]
            except BlockingIOError:
                if not select.select([], [self._ours], [], 0.2)[1]:
                    return

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


class _TcpLine(_Line):
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peer: socket.socket | None = None
        self.target = "socket://127.0.0.1:%d" % self._listener.getsockname()[1]

    def readers(self) -> "list[int]":
        return [self._peer.fileno() if self._peer else self._listener.fileno()]

    def read(self) -> bytes:
        if not self._peer:
            self._peer = self._listener.accept()[0]
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return b""
        data = b""
        with contextlib.suppress(OSError):
            data = self._peer.recv(4096)
        if not data:
            self._peer.close()
            self._peer = None
        return data

    def write(self, data: bytes) -> None:
        if self._peer:
            with contextlib.suppress(OSError):
                self._peer.sendall(data)

    def close(self) -> None:
        if self._peer:
            self._peer.close()
        self._listener.close()


def find_micropython() -> str:
    """A MicroPython of the unix port; raises FileNotFoundError in words."""
    for name in ("WEBHAL_MICROPYTHON32", "WEBHAL_MICROPYTHON"):
        if os.environ.get(name):
            return os.environ[name]
    path = shutil.which("micropython")
    if not path:
        raise FileNotFoundError("no MicroPython: install one, or name one in WEBHAL_MICROPYTHON")
    return path


def reserve_port() -> socket.socket:
    """A socket that keeps a free port of this machine for whoever listens with SO_REUSEADDR."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
