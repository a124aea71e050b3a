"""A CircuitPython board by its web workflow: HTTP requests that read and write its files.

https://docs.circuitpython.org, "Workflows", describes them.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterable
from typing import Any

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance, Facts
from webhal_cpython.deploying.circuitpython import OVERLAY, RELOAD_S, Placing
from webhal_cpython.deploying.plan import Plan, digest

_TIMEOUT_S = 15


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
        self._password = password or ""
        self._folders: set[str] = set()  # that are known to be there
        version = self._json("/cp/version.json")
        try:
            numbers = tuple(int(part) for part in version["version"].split("-")[0].split("+")[0].split("."))
            self.own_port: int | None = int(version["port"])
            self._ip = str(version["ip"])
            board_id, name = version["board_id"], version["board_name"]
        except (KeyError, TypeError, ValueError) as error:
            raise DeployError(f"{self.target} is not the web workflow of a CircuitPython board") from error
        self._entries("")  # which tells whether the password is right
        disk: Any = None
        with contextlib.suppress(_Answer):  # old versions do not tell
            disk = self._json("/cp/diskinfo.json")
        flash = None
        if isinstance(disk, list) and disk:
            flash = disk[0].get("free")
            if disk[0].get("writable") is False:
                raise self._words(409)
        self.facts = Facts("circuitpython", numbers, board_id, name, flash=flash)

    def close(self) -> None:
        pass

    # -- requests -----------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """The answer's body. Raises _Answer for a status that is no success, DeployError where none comes."""
        token = base64.b64encode(f":{self._password}".encode()).decode()
        connection = http.client.HTTPConnection(*self._place, timeout=_TIMEOUT_S)
        fields = {"Authorization": f"Basic {token}", **{name.replace("_", "-"): headers[name] for name in headers}}
        try:
            # A board that refuses may close before it has read all, so its answer is looked for in any case.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, fields)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DeployError(
                f"{self.target} does not answer; is the board on, and in the same network as this computer?"
            ) from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise _Answer(answer.status)
        return content

    def _fs(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        return self._ask(method, "/fs/" + urllib.parse.quote(path), body, **headers)

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self._ask("GET", path, Accept="application/json"))
        except ValueError as error:
            raise DeployError(f"{self.target} is not the web workflow of a CircuitPython board") from error
        except _Answer as answer:
            if path == "/cp/version.json":
                raise DeployError(f"{self.target} is not the web workflow of a CircuitPython board") from answer
            raise

    def _entries(self, folder: str) -> list[dict[str, Any]] | None:
        """What is in a folder ("": the drive; others end in /); None if it is not there."""
        try:
            content = json.loads(self._fs("GET", folder, Accept="application/json"))
        except _Answer as answer:
            if answer.status == 404:
                return None
            raise self._words(answer.status) from answer
        entries: list[dict[str, Any]] = content["files"] if isinstance(content, dict) else content
        return entries

    def _words(self, status: int) -> DeployError:
        words = {
            401: "the password is wrong; it is CIRCUITPY_WEB_API_PASSWORD in the board's settings.toml"
            " (--password, or the same line in settings.toml here)",
            403: "the web workflow has no password; set CIRCUITPY_WEB_API_PASSWORD in the board's settings.toml",
            409: "its drive belongs to the computer that it is plugged into; eject the drive there,"
            " or deploy to the drive",
            413: "its flash is full; remove files that are not needed",
            417: "its flash is full; remove files that are not needed",
        }
        return DeployError(f"{self.target}: {words.get(status, f'it answers {status}; repeat the command')}")

    # -- files --------------------------------------------------------------------------------------

    def complete(self) -> None:
        try:
            super().complete()
        except _Answer as answer:
            raise self._words(answer.status) from answer

    def read(self, path: str) -> bytes | None:
        try:
            return self._fs("GET", path)
        except _Answer as answer:
            if answer.status == 404:
                return None
            raise self._words(answer.status) from answer

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        there: dict[str, set[str]] = {}
        found = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            if folder not in there:
                entries = self._entries(folder + "/" if folder else "") or ()
                there[folder] = {entry["name"] for entry in entries if not entry["directory"]}
            if name in there[folder] and (data := self.read(path)) is not None:
                found[path] = digest(data)
        return found

    def apply(self, plan: Plan, advance: Advance) -> None:
        try:
            self.place(plan, advance)
        except _Answer as answer:
            raise self._words(answer.status) from answer

    def put(self, path: str, data: bytes) -> None:
        parts = path.split("/")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end]) + "/"
            if folder not in self._folders:
                self._fs("PUT", folder, b"")
                self._folders.add(folder)
        self._fs("PUT", path, data)

    def move(self, path: str, to: str) -> None:
        self._fs("MOVE", path, X_Destination="/fs/" + urllib.parse.quote(to))

    def delete(self, path: str) -> None:
        try:
            self._fs("DELETE", path)
        except _Answer as answer:
            if answer.status != 404:
                raise
        folder = path.rpartition("/")[0]
        while folder and self._entries(folder + "/") == []:
            self._fs("DELETE", folder + "/")  # a board would remove what is in it, too
            self._folders.discard(folder + "/")
            folder = folder.rpartition("/")[0]

    def overlay(self) -> list[str]:
        return self._below(OVERLAY, "")

    def _below(self, folder: str, prefix: str) -> list[str]:
        found: list[str] = []
        for entry in self._entries(folder) or ():
            name = prefix + entry["name"]
            found += self._below(f"{folder}{entry['name']}/", name + "/") if entry["directory"] else [name]
        return found

    # -- starting -----------------------------------------------------------------------------------

    def start(self, rejoin: bool) -> None:
        """The board starts anew when its files have changed."""
        if self.changed:
            time.sleep(RELOAD_S)

    def address(self, port: int | None) -> tuple[str, int]:
        return self._ip, port or 80

    def hear(self, seconds: float) -> bytes:
        time.sleep(seconds)
        return b""


class _Answer(Exception):
    """A status that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
