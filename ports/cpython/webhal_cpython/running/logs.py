"""The logs of `webhal run`: what Python's loggers webhal.access and webhal.error are told, in which form that is
written, and to which file. That writing it holds nobody up is output.py's.

An application that has given one of these loggers a handler when it begins to serve keeps that, and has the lines.
"""

import contextlib
import functools
import json
import logging
import random
import re
import time
import traceback
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from webhal import Request
from webhal_cpython.cli import printable
from webhal_cpython.output import AT_ONCE, LogFile, Output

LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("common", "json")
_STYLES = {1: "", 2: "", 3: "36", 4: "33", 5: "31"}  # of statuses by their first digit: cyan, yellow, red
_MOST_LOGGED = 2000  # characters of a request line: more is no line that a client meant
# Characters of that in JSON, of a message, and of a traceback's end. A line is to fit into what a pipe takes at once:
# where it does not, because of escapes, which have up to twelve bytes, it has the fewer ones.
_MOST_IN_JSON, _FEWER_IN_JSON = 1500, 150
_ID = re.compile(rb"\r\nx-request-id:[ \t]*([\w.+/=:@-]{1,128})[ \t]*\r\n", re.IGNORECASE)  # others are not taken over


class Logs:
    """Both logs. Raises OSError for a file that cannot be opened."""

    def __init__(self, settings: Mapping[str, Any], output: Output, errors: Output) -> None:
        """`output` and `errors` have what goes to no file."""
        self.files: list[LogFile] = []
        self._level = settings["log-level"].upper()
        self._json = settings["log-format"] == "json"
        self._ids = settings["request-id"]
        self._accesses = settings["access-log"] and settings["log-level"] in ("debug", "info")
        self._handlers = [
            ("webhal.access", self._handler(settings["access-log-file"] if self._accesses else None, output)),
            ("webhal.error", self._handler(settings["error-log-file"], errors)),
        ]

    def _handler(self, path: str | None, output: Output) -> logging.Handler:
        if path:
            output = LogFile(path)
            self.files.append(output)
        if self._json:
            output.note = '{"lost": %d}'
        handler = _Handler(output)
        handler.setFormatter(_JSONFormatter() if self._json else _Formatter(output))
        return handler

    def begin(self) -> None:
        """The application has set up what it wants of logging, which disables loggers that there are already."""
        while self._handlers:
            name, handler = self._handlers.pop()
            logger = logging.getLogger(name)
            if not logger.handlers:
                logger.addHandler(handler)
                logger.setLevel(self._level)
                logger.propagate = False

    def reopen(self) -> None:
        """Open the files anew, which somebody has moved away."""
        for file in self.files:
            try:
                file.reopen()
            except OSError as error:
                self._complain("cannot open %s again, and go on with the one before: %s", file.path, error.strerror)

    def report(self, error: BaseException) -> None:
        """For webhal.log.report."""
        self._complain("%s", traceback.format_exception_only(error)[-1].rstrip("\n"), error=error)

    def _complain(self, message: str, *values: object, error: BaseException | None = None) -> None:
        self.begin()
        with contextlib.suppress(Exception):  # of a handler of the application's
            logging.getLogger("webhal.error").error(message, *values, exc_info=error)

    def attend(self, server: Any) -> None:
        """Log the server's requests, and give each an id, as far as that is asked for."""
        self.begin()
        self._access = logging.getLogger("webhal.access")
        if self._ids or self._json and self._accesses:
            server.Connection = _attended(server.Connection, self._ids)
        if (self._accesses or self._ids) and self._answered not in server.app.events.get("response", ()):
            server.app.on("response")(self._answered)

    def _answered(self, request: Request, status: int, length: int) -> None:
        if self._accesses and self._access.isEnabledFor(logging.INFO):
            self._access.handle(AccessRecord(request, status, length))


def _attended(kind: Any, ids: bool) -> Any:
    """The kind of connections, whose requests know when they began and, with `ids`, their id."""

    class Attended(kind):  # type: ignore[misc]
        def next_request(self, limit: int) -> Any:
            request = super().next_request(limit)
            if request is not None:
                request.began = time.perf_counter_ns()
                if ids:
                    given = _ID.search(request.head)
                    request.id = given[1].decode() if given else f"{random.getrandbits(64):016x}"
                    request.lines = f"X-Request-Id: {request.id}\r\n"
            return request

    return Attended


class AccessRecord(logging.LogRecord):
    """One request: request, status and bytes of the answer's body, -1 if they are not known yet. Its message is a line
    in the Common Log Format.

    It shares most attributes with all others, for to make them takes longer than all else here.
    """

    def __init__(self, request: Request, status: int, length: int) -> None:
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.request = request
        self.status = status
        self.length = length

    @property
    def line(self) -> str:
        """The request line, as far as it is one, without what a terminal or a log would take for something else."""
        line = self.request.head[:_MOST_LOGGED].split(b"\r\n", 1)[0].decode("ascii", "backslashreplace")
        return printable(line.replace('"', '\\"'))[:_MOST_LOGGED]

    @property
    def ms(self) -> float | None:
        """From when the request's head was there until its answer was begun."""
        began = self.request.__dict__.get("began")
        return began and round((time.perf_counter_ns() - began) / 1e6, 3)

    def getMessage(self) -> str:
        size = "-" if self.length < 0 else self.length
        stamp = _stamp(int(self.created))
        return f'{self.request.client[0] or "-"} - - [{stamp}] "{self.line}" {self.status} {size}'


for _name, _value in vars(logging.LogRecord("webhal.access", logging.INFO, __file__, 0, "", (), None)).items():
    setattr(AccessRecord, _name, _value)


@functools.lru_cache(maxsize=1)
def _stamp(seconds: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(seconds))


class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).split("\n"):
            self.output.write(line)


class _Formatter(logging.Formatter):
    """A request is a line in the Common Log Format, in a terminal of the colour of its status."""

    def __init__(self, output: Output) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._styled = output.styled

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, AccessRecord):
            return self._styled(_STYLES[record.status // 100], record.getMessage())
        first, *rest = map(printable, super().format(record).split("\n"))
        return "\n".join([self._styled(_STYLES[5], first), *rest])


class _JSONFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = json.dumps(self._fields(record, _MOST_IN_JSON))
        return line if len(line) < AT_ONCE else json.dumps(self._fields(record, _FEWER_IN_JSON))

    def _fields(self, record: logging.LogRecord, most: int) -> dict[str, Any]:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {"time": moment, "level": record.levelname, "logger": record.name}
        if isinstance(record, AccessRecord):
            fields["client"] = record.request.client[0]
            fields["request"] = record.line[:most]
            fields["status"] = record.status
            fields["bytes"] = None if record.length < 0 else record.length
            fields["ms"] = record.ms
            if "id" in record.request.__dict__:
                fields["id"] = record.request.__dict__["id"]
        else:
            fields["message"] = record.getMessage()[:most]
            if record.exc_info:
                fields["traceback"] = self.formatException(record.exc_info)[-most:]
        return fields
