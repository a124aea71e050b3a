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
from webhal_cpython.deploying.plan import NEW, RECORD, Plan, digest, read_record

_TIMEOUT_S = 15
_RELOAD_S = 1.5  # from the last write to the new start, and some more
_FIRST = "code.txt"  # a board prefers it to code.py, so that the new code.py can wait there while the old one goes


class WorkflowBoard:
    """See board.Board."""

    main = "code.py"

    def __init__(self, target: str, password: str | None) -> None:
        self.target = target.rstrip("/")
        place = urllib.parse.urlsplit(self.target)
        if not place.hostname or place.scheme != "http":
            raise DeployError(f"{target} is not http://BOARD")
        self._place = (place.hostname, place.port or 80)
        self._password = password or ""
        self._changed = False
        self._folders: set[str] = set()  # that are known to be there
        version = self._json("/cp/version.json")
        try:
            numbers = tuple(int(part) for part in version["version"].split("-")[0].split("+")[0].split("."))
            self.own_port: int | None = int(version["port"])
            self._ip = str(version["ip"])
            board_id, name = version["board_id"], version["board_name"]
        except (KeyError, TypeError, ValueError) as error:
            raise DeployError(f"{self.target} is not the web workflow of a CircuitPython board") from error
        self._listing("")  # which tells whether the password is right
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

    def _listing(self, folder: str) -> set[str]:
        """The files in a folder; empty if there is none."""
        try:
            content = json.loads(self._fs("GET", folder + "/" if folder else "", Accept="application/json"))
        except _Answer as answer:
            if answer.status == 404:
                return set()
            raise self._words(answer.status) from answer
        entries = content["files"] if isinstance(content, dict) else content
        return {entry["name"] for entry in entries if not entry["directory"]}

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
        """Put code.py in its place, where that was interrupted."""
        waiting = self.read(_FIRST)
        if waiting is None:
            return
        if digest(waiting) not in read_record(self.read(RECORD)).get(self.main, ()):
            raise DeployError(f"{self.target}: {_FIRST} on the board would run instead of {self.main}: remove it")
        try:
            self._settle()
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
                there[folder] = self._listing(folder)
            if name in there[folder] and (data := self.read(path)) is not None:
                found[path] = digest(data)
        return found

    def apply(self, plan: Plan, advance: Advance) -> None:
        if not plan.send and not plan.remove and self.read(RECORD) == plan.record:
            return
        self._changed = True
        try:
            self._put(RECORD, plan.union)
            for path, data in plan.send.items():
                self._put(path + NEW, data)
                advance(len(data))
            for path, copy in plan.keep.items():
                self._put(copy, self._fs("GET", path))
            for path in plan.send:
                if path != self.main:
                    self._delete(path)
                    self._move(path + NEW, path)
            if self.main in plan.send:
                self._move(self.main + NEW, _FIRST)
                self._settle()
            for path in plan.remove:
                self._delete(path)
            self._put(RECORD, plan.record)
        except _Answer as answer:
            if answer.status in (413, 417):
                for path in plan.send:
                    with contextlib.suppress(_Answer, DeployError):
                        self._delete(path + NEW)
            raise self._words(answer.status) from answer

    def _settle(self) -> None:
        self._delete(self.main)
        self._move(_FIRST, self.main)

    def _put(self, path: str, data: bytes) -> None:
        folder = path.rpartition("/")[0]
        parts = folder.split("/") if folder else []
        for end in range(1, len(parts) + 1):
            if "/".join(parts[:end]) not in self._folders:
                self._fs("PUT", "/".join(parts[:end]) + "/", b"")
                self._folders.add("/".join(parts[:end]))
        self._fs("PUT", path, data)

    def _delete(self, path: str) -> None:
        try:
            self._fs("DELETE", path)
        except _Answer as answer:
            if answer.status != 404:
                raise

    def _move(self, path: str, to: str) -> None:
        self._fs("MOVE", path, X_Destination="/fs/" + urllib.parse.quote(to))

    # -- starting -----------------------------------------------------------------------------------

    def start(self) -> None:
        """The board starts anew when its files have changed."""
        if self._changed:
            time.sleep(_RELOAD_S)

    def address(self) -> str:
        return self._ip


class _Answer(Exception):
    """A status that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
