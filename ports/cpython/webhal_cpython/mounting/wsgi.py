"""WSGI applications (PEP 3333) under webhal's server: each request in a thread, of which there are some dozens.

What goes between that thread and the loop's is in `Call`; how an answer reaches its client is in exchange.py.
"""

import asyncio
import io
import re
import sys
import threading
from concurrent.futures import CancelledError
from functools import lru_cache
from typing import Any
from wsgiref.util import FileWrapper, is_hop_by_hop

import webhal.log
from webhal import HTTPError, Request
from webhal.task import Read
from webhal_cpython.mounting import Mounted
from webhal_cpython.mounting.exchange import Exchange, Head, judge
from webhal_cpython.threads import threads

_READ = 65536  # bytes of a body that are asked for at once; a shorter one is here before a thread is taken for it
_AHEAD = 262144  # bytes of an answer that wait for the client, before the application waits
_STATUS = re.compile("[0-9]{3}( .*)?")


class WSGI(Mounted):
    """A mounted WSGI application."""

    def exchange(self, request: Request) -> "Call":
        """What takes the connection over, to answer the request."""
        return Call(self, request)


class Call(Exchange):
    """A request, and the call of the application that answers it.

    The loop's thread and the application's share `pieces`, `ahead`, `last`, `error` and `scheduled`, under `lock`.
    """

    last = False  # nothing more comes
    error: BaseException | None = None  # what the application raised
    scheduled = False  # the loop is to look at them
    # The application's thread alone knows these.
    given: Head | None = None  # by start_response
    left_to_give: int | None = None  # bytes of the body, where their number is known
    begun = False  # a piece has been given: the head cannot be changed any more

    def __init__(self, mounted: WSGI, request: Request) -> None:
        super().__init__(request)
        self.mounted = mounted
        self.pieces: list[bytes] = []
        self.ahead = 0
        self.lock = threading.Condition()

    # -- in the loop's thread -----------------------------------------------------------------------------

    def run(self) -> None:
        """Let the application begin, once the body is here, or so much of it that it is not awaited in vain."""
        self.loop = self.server.host.loop  # type: ignore[union-attr] # it is the PC's
        if self.connection.left:
            self.task = self.loop.create_task(self._receive())
        else:
            self._begin(io.BytesIO())

    async def _receive(self) -> None:
        body = b""
        try:
            while self.connection.left and len(body) < _READ:
                body += await self.read()
        except OSError:
            return
        rest = Body(self, body) if self.connection.left else None
        self._begin(io.BufferedReader(rest, _READ) if rest else io.BytesIO(body))

    def _begin(self, body: Any) -> None:
        environ = self._environ(body)
        threads.begin(lambda: self._call(environ))

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end. Raises OSError where no more of it comes."""
        if self.over:
            raise OSError("the client has left, or has its answer")
        try:
            return await Read(self.request, _READ)  # type: ignore[no-any-return]
        except HTTPError as error:  # a malformed chunk
            self.connection.failed(self.server, error)
            raise OSError(error.message) from None

    def room(self) -> None:
        """There is room for more of the answer, or it is over."""
        with self.lock:
            if not self.over and (self.pieces or self.last or self.error):
                self._schedule()  # not now: the application may give more and more meanwhile
            self.lock.notify()

    def send(self) -> None:
        """Send what the application has given so far."""
        with self.lock:
            self.scheduled = False
            if self.over or self.connection.phase == "write":
                return
            data = b"".join(self.pieces)  # one is not copied
            self.pieces.clear()
            self.ahead = 0
            last = self.last
            error = self.error
            self.lock.notify()
        try:
            if data or last:
                self.put(data, not last)
            if error:
                self.fail(error)
        except Exception as wrong:
            self.fail(wrong)

    def _environ(self, body: Any) -> dict[str, Any]:
        """What the application is told of the request."""
        request = self.request
        prefix = self.mounted.prefix
        host, port = self.address
        if port is None:  # of a unix socket: PEP 3333 wants both
            host, port = "localhost", 443 if request.scheme == "https" else 80
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": prefix.encode().decode("latin-1"),
            "PATH_INFO": request.path[len(prefix) :].encode().decode("latin-1"),
            "QUERY_STRING": request.target.partition("?")[2],
            "REQUEST_URI": request.target,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1" if request.minor else "HTTP/1.0",
            "REMOTE_ADDR": request.client[0],
            "REMOTE_PORT": str(request.client[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.scheme,
            "wsgi.input": body,
            "wsgi.input_terminated": True,  # its end is that of the body, which may be in chunks
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,  # it may be, among workers
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        for line in request.head.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b":")
            if b"_" in name:  # which would pass for one with -
                continue
            key = name.decode("latin-1").upper().replace("-", "_")
            if key != "CONTENT_TYPE" and key != "CONTENT_LENGTH":
                key = "HTTP_" + key
            text = value.strip(b" \t").decode("latin-1")
            if key in environ:
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ", ") + text
            environ[key] = text
        return environ

    # -- in the application's thread ----------------------------------------------------------------------

    def _call(self, environ: dict[str, Any]) -> None:
        """Let the application answer, and give its answer to the loop."""
        result: Any = None
        try:
            result = self.mounted.foreign(environ, self.start_response)
            if type(result) is list or type(result) is tuple:  # all of it is here
                self.give(b"".join(result), True)
            else:
                if type(result) is FileWrapper:
                    result.blksize = _READ
                for piece in result:
                    if piece:
                        self.give(piece)
                    if self.over:
                        break
                if not self.last:
                    self.give(b"", True)
        except BaseException as error:
            self._raised(error)
        try:
            if hasattr(result, "close"):
                result.close()
        except BaseException as error:
            self._raised(error)

    def start_response(self, status: str, headers: "list[tuple[str, str]]", exc_info: Any = None) -> Any:
        """What PEP 3333 promises. Raises TypeError or ValueError for what HTTP cannot carry."""
        if exc_info:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.given:
            raise RuntimeError("start_response is called once, or with exc_info")
        self.given = _judge(status, tuple(map(tuple, headers)))
        self.left_to_give = self.given.length if self.request.method != "HEAD" else None
        return self.give

    def give(self, data: bytes, last: bool = False) -> None:
        """Let the loop send a piece, or all that is left; return when there is room for another.

        Raises OSError when the client has left, ValueError for more than the Content-Length.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"a piece of a body is bytes, not {data!r:.60}")
        if not self.given:
            raise RuntimeError("start_response was not called")
        if self.left_to_give is not None:
            self.left_to_give -= len(data)
            if self.left_to_give < 0:
                raise ValueError("the body is longer than its Content-Length")
            last = last or not self.left_to_give
        with self.lock:
            if self.gone:
                raise OSError("the client has left")
            if not self.begun:
                self.begun = True
                self.head = self.given
            self.pieces.append(data)
            self.ahead += len(data)
            self.last = last
            self._schedule()
            while self.ahead > _AHEAD and not self.over:
                self.lock.wait()

    def _raised(self, error: BaseException) -> None:
        """The application has raised, or its answer's `close`."""
        with self.lock:
            if self.over or self.last:  # there is an answer, or nobody for it
                if not (self.gone and isinstance(error, OSError)):
                    webhal.log.log(error)
            else:
                self.error = error
                self._schedule()

    def _schedule(self) -> None:
        """Let the loop look at what there is; with the lock."""
        if not self.scheduled:
            self.scheduled = True
            try:
                self.loop.call_soon_threadsafe(self.send)
            except RuntimeError:  # it has ended
                self.over = self.gone = True


@lru_cache(256)
def _judge(status: str, fields: "tuple[tuple[str, str], ...]") -> Head:
    """The head of a response. Raises TypeError or ValueError."""
    if not _STATUS.fullmatch(status):
        raise ValueError(f"a status is as '200 OK', not {status!r}")
    given = []
    for name, value in fields:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"a field is two str, not {name!r} and {value!r}")
        if is_hop_by_hop(name) and name.lower() != "connection":
            raise ValueError(f"{name} is between server and client")
        given.append((name.encode("latin-1"), value.encode("latin-1")))
    return judge(int(status[:3]), tuple(given), status[4:])


class Body(io.RawIOBase):
    """A request's body, of which a thread waits for the pieces that come to the loop."""

    def __init__(self, call: Call, first: bytes) -> None:
        self.call = call
        self.piece = memoryview(first)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Bytes that were stored, 0 at the end. Raises OSError when the client has left."""
        if not self.piece:
            reading = self.call.read()
            try:
                piece = asyncio.run_coroutine_threadsafe(reading, self.call.loop).result()
            except (RuntimeError, CancelledError):  # the loop has ended
                reading.close()
                raise OSError("the server has ended") from None
            self.piece = memoryview(piece)
        count = min(len(self.piece), len(buffer))
        buffer[:count] = self.piece[:count]
        self.piece = self.piece[count:]
        return count
