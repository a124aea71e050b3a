"""CircuitPythonBoard: a folder that behaves like a CIRCUITPY drive, and the web workflow in front of it.

Its code.py is run by a real MicroPython with CircuitPython's modules in place (firmware.py); no package carries a
CircuitPython itself. It starts anew when its files change, as boards do.
"""

import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import select
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

from webhal.testing.boards.machine import MicroPythonBoard, Terminal

_RELOAD_S = 0.75  # from the last change to the new start


class CircuitPythonBoard(MicroPythonBoard):
    """A board that is on from `start` to `stop`, or within a `with` block.

    Beside what MicroPythonBoard has:

    password    of the web workflow; None: no web workflow; "": it has none, and refuses
    usb         a computer has the drive mounted, so that the web workflow cannot write
    version     of CircuitPython

    folder      the drive; a target
    console     its serial port
    workflow    the web workflow's address; a target
    """

    _look_s = 0.05

    def __init__(
        self,
        folder: "str | os.PathLike[str] | None" = None,
        executable: "str | os.PathLike[str] | None" = None,
        password: "str | None" = None,
        usb: bool = False,
        wifi: "dict[str, str] | None" = None,
        flash: int = 1 << 20,
        version: "tuple[int, int, int]" = (10, 0, 0),
    ) -> None:
        super().__init__("esp32", folder, executable, wifi=wifi, flash=flash, version=version)
        self.usb = usb
        self.password = password
        self.writes: list[str] = []  # what was asked of the web workflow, but for GET
        self.workflow = ""
        self._facts.update(
            runtime="circuitpython",
            chip="simulated_esp32s3",
            name="Simulated board",
            mpy=ord("C"),
            programs=[["boot.py"], ["code.txt", "code.py", "main.txt", "main.py"]],
        )
        self._server: http.server.ThreadingHTTPServer | None = None
        self._state: Any = None
        self._changed: float | None = None
        self._power: int | None = None
        self._console: _Console | None = None
        if password is not None and not any(self.folder.iterdir()):  # a new one: what its web workflow needs
            lines = {"CIRCUITPY_WIFI_SSID": "simulated", "CIRCUITPY_WEB_API_PASSWORD": password}
            text = "".join(f"{name} = {json.dumps(lines[name])}\n" for name in lines)
            (self.folder / "settings.toml").write_text(text)

    @property
    def console(self) -> str:
        return self.target

    def start(self) -> None:
        text = ".".join(map(str, self._facts["version"]))
        (self.folder / "boot_out.txt").write_text(
            f"Adafruit CircuitPython {text} on 2025-10-17; Simulated board with ESP32S3\r\n"
            f"Board ID:simulated_esp32s3\r\nUID:{self._facts['uid'][:12].upper()}\r\n"
        )
        self._state = self._look()
        super().start()
        if self.password is not None:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
            self.workflow = "http://127.0.0.1:%d" % self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _make_line(self) -> "_Console":
        self._console = _Console()
        return self._console

    def unplug_after(self, count: "int | None") -> None:
        """Lose power when `count` more bytes came over the web workflow; a change that is no write counts as one."""
        self._power = count

    def spend(self, count: int) -> int:
        """How many of `count` bytes are written before the power goes; from then on nothing is answered."""
        if self._power is None:
            return count
        written = min(count, self._power)
        self._power -= written
        return written

    def unplug(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        super().unplug()

    def _look(self) -> "list[tuple[str, int, int]]":
        found = []
        for folder, folders, files in os.walk(self.folder):  # rglob() raises when a folder goes meanwhile
            for name in folders + files:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:  # gone meanwhile
                    continue
                found.append((path, status.st_mtime_ns, status.st_size))
        return sorted(found)

    def _reloads(self) -> bool:
        state = self._look()
        if state != self._state:
            self._state = state
            self._changed = time.monotonic()
        if self._changed is not None and time.monotonic() - self._changed > _RELOAD_S:
            self._changed = None
            return True
        return False


class _Console(Terminal):
    """The serial port, and the one WebSocket at which the web workflow offers the same."""

    def __init__(self) -> None:
        super().__init__()
        self._typed, self._keys = os.pipe()
        self._page: "io.BufferedIOBase | None" = None
        self._lock = threading.Lock()

    def readers(self) -> "list[int]":
        return [*super().readers(), self._typed]

    def read(self) -> bytes:
        typed = os.read(self._typed, 4096) if select.select([self._typed], [], [], 0)[0] else b""
        return typed + super().read()

    def write(self, data: bytes) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # it has been left
            if self._page:
                size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
                self._page.write(b"\x81" + size + data)
        super().write(data)

    def serve(self, page: "io.BufferedIOBase", keys: "io.BufferedIOBase") -> None:
        """Talk to a WebSocket's client until it leaves. Its frames are short, whole and masked, its text is typed."""
        with self._lock:
            self._page = page
        with contextlib.suppress(OSError):
            while len(head := keys.read(6)) == 6:
                text = bytes(byte ^ head[2 + at % 4] for at, byte in enumerate(keys.read(head[1] & 0x7F)))
                if head[0] & 0xF == 8:
                    break
                with self._lock:
                    if self._page is not page:  # another client took it over, or the power went
                        break
                    if head[0] & 0xF == 1:
                        os.write(self._keys, text)

    def close(self) -> None:
        with self._lock:
            self._page = None
        os.close(self._keys)
        os.close(self._typed)
        super().close()


def _handler(board: CircuitPythonBoard) -> "type[http.server.BaseHTTPRequestHandler]":
    """Answers as the web workflow does: https://docs.circuitpython.org, "Workflows"."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *values: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

        def reply(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def reply_json(self, value: object) -> None:
            self.reply(200, json.dumps(value).encode())

        def refused(self) -> bool:
            """Whether the request was refused for its password."""
            if not board.password:
                self.reply(403)
                return True
            expected = "Basic " + base64.b64encode(f":{board.password}".encode()).decode()
            if self.headers.get("Authorization") != expected:
                self.reply(401)
                return True
            return False

        def file(self, target: str) -> "Path | None":
            path = urllib.parse.unquote(target)
            return board.folder / path[4:].strip("/") if path.startswith("/fs/") else None

        def do_GET(self) -> None:
            if self.path == "/cp/version.json":
                self.reply_json(
                    {
                        "web_api_version": 4,
                        "version": ".".join(map(str, board._facts["version"])),
                        "board_name": "Simulated board",
                        "mcu_name": "ESP32S3",
                        "board_id": "simulated_esp32s3",
                        "hostname": "cpy-board",
                        "port": int(board.workflow.rpartition(":")[2]),
                        "ip": board._facts["address"],
                    }
                )
                return
            if self.refused():
                return
            if self.path == "/cp/diskinfo.json":
                free = board._facts["flash"] - sum(size for _, _, size in board._look())
                disk = {"root": "/", "free": free // 512, "block_size": 512, "writable": not board.usb}
                self.reply_json([{"root": "/sd", "free": 0, "block_size": 512, "writable": False}, disk])
                return
            if self.path == "/cp/serial/":
                key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
                self.send_header("Sec-WebSocket-Accept", accept)
                self.end_headers()
                assert board._console  # it has power
                board._console.serve(self.wfile, self.rfile)
                self.close_connection = True
                return
            path = self.file(self.path)
            if path is None or not path.exists():
                self.reply(404)
            elif self.path.endswith("/"):
                entries = [
                    {"name": each.name, "directory": each.is_dir(), "file_size": each.stat().st_size}
                    for each in path.iterdir()
                ]
                self.reply_json({"files": entries, "writable": not board.usb})
            else:
                self.reply(200, path.read_bytes())

        def changing(self) -> "Path | None":
            """The file to be changed; None if the request was refused."""
            board.writes.append(f"{self.command} {self.path}")
            if self.refused():
                return None
            path = self.file(self.path)
            if path is None:
                self.reply(404)
            elif board.usb:
                self.reply(409)
                return None
            elif self.command != "PUT" and not board.spend(1):
                raise ConnectionAbortedError
            return path

        def do_PUT(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            path = self.changing()
            if path is None:
                self.close_connection = True
                return
            if self.path.endswith("/"):
                there = path.exists()
                if not path.parent.is_dir():
                    self.reply(404)
                    return
                path.mkdir(exist_ok=True)
                self.reply(204 if there else 201)
                return
            used = sum(size for _, _, size in board._look())
            if used + length > board._facts["flash"]:
                self.reply(413)
                self.close_connection = True
                return
            if not path.parent.is_dir():
                self.reply(404)
                self.close_connection = True
                return
            there = path.exists()
            left = length
            with path.open("wb") as file:
                while left:
                    piece = self.rfile.read1(left)
                    if not piece:  # the client has gone: what came stays
                        return
                    written = board.spend(len(piece))
                    file.write(piece[:written])
                    left -= len(piece)
                    if written < len(piece):
                        raise ConnectionAbortedError
            self.reply(204 if there else 201)

        def do_DELETE(self) -> None:
            path = self.changing()
            if path is None:
                return
            if not path.exists():
                self.reply(404)
                return
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
            self.reply(204)

        def do_MOVE(self) -> None:
            path = self.changing()
            if path is None:
                return
            goal = self.file(self.headers.get("X-Destination", ""))
            if goal is None or not path.exists() or not goal.parent.is_dir():
                self.reply(404)
            elif goal.exists():
                self.reply(412)
            else:
                path.rename(goal)
                self.reply(201)

    return Handler
