"""A CircuitPython board by its web workflow: HTTP requests that read and write its files.

https://docs.circuitpython.org, "Workflows", describes them.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import PORT_TAKEN, Facts, Show
from webhal_cpython.deploying.circuitpython import RELOAD_S, Placing
from webhal_cpython.deploying.console import WebConsole

_TIMEOUT_S = 15  # of silence
_LIMIT_S = 30  # from a request to the end of its answer, however lively the board is, and …
_SLOWEST = 2048  # … another second for so many bytes that are sent
_MOST = 1 << 24  # bytes of an answer that are read: more than boards have
_IN_BLOCKS = 4  # from this version of the API on "free" counts blocks, before it bytes

T = TypeVar("T")


class WorkflowBoard(Placing):
    """See board.Board."""

    def __init__(self, target: str, password: str | None) -> None:
        self.target = target.rstrip("/")
        try:
            place = urllib.parse.urlsplit(self.target)
            if not place.hostname or place.scheme != "http":
                raise ValueError(target)
            self._place = (place.hostname, place.port or 80)
        except ValueError as error:
            raise DeployError(f"{target} is not http://BOARD or http://BOARD:PORT") from error
        self._token = base64.b64encode(f":{password or ''}".encode()).decode()
        self.own_port: int | None
        self._folders: set[str] = set()  # that are known to be there
        self._console: WebConsole | None = None
        version = self._json("/cp/version.json", _version)
        if version is None:
            raise self._no_workflow()
        numbers, board_id, name, self.own_port, self._ip, unit = version
        self._entries("")  # which tells whether the password is right
        flash, block, writable = self._json("/cp/diskinfo.json", _disk) or (None, 512, True)  # old ones do not tell
        if not writable:
            raise self._words(409, "")
        if flash is not None and unit >= _IN_BLOCKS:
            flash *= block
        self.facts = Facts("circuitpython", numbers, board_id, name, flash=flash, block=block)

    def close(self) -> None:
        if self._console:
            self._console.close()

    # -- requests -----------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes | None:
        """The answer's body, None for a 404. Raises DeployError for any other status that is no success."""
        seconds = _LIMIT_S + len(body or b"") // _SLOWEST
        late = threading.Event()
        fields = {
            "Authorization": "Basic " + self._token,
            **{name.replace("_", "-"): headers[name] for name in headers},
        }
        try:
            connection = http.client.HTTPConnection(*self._place, timeout=_TIMEOUT_S)
            connection.connect()
            with contextlib.closing(connection), _cut_off(connection.sock, seconds, late):
                # A board that refuses may close before it has read all, so its answer is looked for in any case.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, path, body, fields)
                with contextlib.closing(connection.getresponse()) as answer:
                    content = answer.read(_MOST)
                if late.is_set():  # of an answer without a length, nothing shows where it ends
                    raise TimeoutError
        except socket.gaierror as error:
            raise DeployError(
                f"{self.target}: nobody in this network knows {self._place[0]}; name the board by its IP address,"
                " which its serial console shows"
            ) from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            if late.is_set():
                raise DeployError(
                    f"{self.target}: no whole answer within {seconds} s; reset the board and repeat the command"
                ) from error
            raise DeployError(
                f"{self.target} does not answer; is the board on, and in the same network as this computer?"
            ) from error
        if answer.status == 404:
            return None
        if 300 <= answer.status < 400:
            raise DeployError(f"{self.target} sends to {answer.getheader('Location', 'nowhere')}; name that with --to")
        if answer.status >= 300:
            raise self._words(answer.status, urllib.parse.unquote(path))
        return content

    def _fs(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes | None:
        return self._ask(method, "/fs/" + urllib.parse.quote(path), body, **headers)

    def _json(self, path: str, read: Callable[[Any], T]) -> T | None:
        """What `read` makes of the JSON at `path`; None for a 404."""
        content = self._ask("GET", path, Accept="application/json")
        try:
            return None if content is None else read(json.loads(content))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise self._no_workflow() from error

    def _entries(self, folder: str) -> dict[str, bool] | None:
        """What is in a folder ("": the drive; others end in /), and whether it is a folder; None if it is not there."""
        return self._json("/fs/" + urllib.parse.quote(folder), _names)

    def _no_workflow(self) -> DeployError:
        return DeployError(f"{self.target} is not the web workflow of a CircuitPython board")

    def _words(self, status: int, path: str) -> DeployError:
        full = f"its flash is full: there is no room for {path.removeprefix('/fs/')}; remove files that are not needed"
        words = {
            401: "the password is wrong; it is CIRCUITPY_WEB_API_PASSWORD in the board's settings.toml"
            " (--password, or the same line in settings.toml here)",
            403: "the web workflow has no password; set CIRCUITPY_WEB_API_PASSWORD in the board's settings.toml",
            409: "its drive belongs to the computer that it is plugged into; eject the drive there,"
            " or deploy to the drive",
            413: full,
            417: full,
        }
        return DeployError(f"{self.target}: {words.get(status, f'it answers {status} to {path}; repeat the command')}")

    # -- files --------------------------------------------------------------------------------------

    def get(self, path: str) -> bytes | None:
        return self._fs("GET", path)

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        there: dict[str, dict[str, bool]] = {}
        found = []
        for path in paths:
            folder, _, name = self._on_drive(path).rpartition("/")
            if folder not in there:
                there[folder] = self._entries(folder + "/" if folder else "") or {}
            if there[folder].get(name) is False:
                found.append(path)
        return super().hashes(found)

    def put(self, path: str, data: bytes) -> None:
        parts = path.split("/")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end]) + "/"
            if folder not in self._folders:
                self._change("PUT", folder, b"")
                self._folders.add(folder)
        self._change("PUT", path, data)

    def move(self, path: str, to: str) -> None:
        self._change("MOVE", path, X_Destination="/fs/" + urllib.parse.quote(to))

    def delete(self, path: str) -> None:
        if self._fs("DELETE", path) is None:
            return
        self.changed = True
        folder = path.rpartition("/")[0]
        while folder and self._entries(folder + "/") == {}:
            self._fs("DELETE", folder + "/")  # a board would remove what is in it, too
            self._folders.discard(folder + "/")
            folder = folder.rpartition("/")[0]

    def _change(self, method: str, path: str, body: bytes | None = None, **headers: str) -> None:
        self.changed = True
        if self._fs(method, path, body, **headers) is None:
            raise self._words(404, path)

    # -- starting -----------------------------------------------------------------------------------

    def start(self, rejoin: bool) -> None:
        """The board starts anew when its files have changed, and once more at its console, which is heard from then."""
        if self.changed:
            time.sleep(RELOAD_S)
        self.close()
        self._console = WebConsole(f"ws://{self._place[0]}:{self._place[1]}/cp/serial/", self._token, self.target)
        self._console.restart()

    def address(self, port: int | None, show: Show) -> tuple[str, int]:
        assert self._console  # start was called
        try:
            return self._console.address(port, show)
        except DeployError as error:
            _, line, said = str(error).partition("\n")
            if "EADDRINUSE" not in said:
                raise
            raise DeployError(f"{self.target}: {PORT_TAKEN % self.own_port}:{line}{said}") from error

    def hear(self, seconds: float) -> bytes:
        return self._console.hear(seconds) if self._console else b""


@contextlib.contextmanager
def _cut_off(line: socket.socket, seconds: float, late: threading.Event) -> Iterator[None]:
    """Within this block a connection lasts so long at most."""

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):  # it is closed already
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _version(content: Any) -> tuple[tuple[int, ...], str, str, int, str, int]:
    """Version, board's id and name, port, address, version of the API."""
    numbers = tuple(int(part) for part in re.split("[-+]", content["version"])[0].split("."))
    address: Any = re.fullmatch(r"[0-9a-fA-F.:]+", content["ip"])
    api = int(content.get("web_api_version", 1))
    return numbers, str(content["board_id"]), str(content["board_name"]), int(content["port"]), address[0], api


def _disk(content: Any) -> tuple[int, int, bool] | None:
    """Of the drive: what is free, the size of a block, whether files can be written. None where that is not told."""
    for disk in content if isinstance(content, list) else [content]:
        if disk["root"] == "/":
            return int(disk["free"]), int(disk["block_size"]), disk.get("writable") is not False
    return None


def _names(content: Any) -> dict[str, bool]:
    files = content["files"] if isinstance(content, dict) else content
    return {str(entry["name"]): bool(entry["directory"]) for entry in files}
