"""Forms with files: multipart/form-data (RFC 7578; RFC 2046, 5.1). An application imports `parts`; request.form and
request.files load it when a client sends such a body.

`parts` is fed bytes and cuts them: a part's head and its data are judged here and nowhere else. Fields in general are
request.py's, forms without files as well.

Rules for whoever edits this file:

* Bad input raises HTTPError with the status to answer; anything else that escapes is a bug. Nothing is repaired.
* How the bytes were cut on their way changes nothing.
* Work is linear in bytes: what is looked through, or copied, is what is then given, and a boundary's length more.
"""

import os

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.http import Request
    from webhal.request import MultiDict

    class Files(MultiDict):
        """What request.files is: names of fields, and a File each."""

        def get(self, name: str, default: "File | None" = None) -> "File | None": ...  # type: ignore[override]
        def __getitem__(self, name: str) -> "File": ...  # type: ignore[override]
        def getlist(self, name: str) -> "list[File]": ...  # type: ignore[override]
        def items(self) -> "list[tuple[str, File]]": ...  # type: ignore[override]


_PARTS = 100  # of a body: each costs more than its bytes tell; Werkzeug and Go take 1,000
_HEAD = 1024  # bytes of a part's head: three fields, and a file's name of 255 characters, percent-encoded
_BOUNDARY = 70  # characters: RFC 2046, 5.1.1
_PADDING = 64  # spaces and tabs after a boundary, which gateways may add (RFC 2046, 5.1.1)
_PIECE = 65536  # bytes that are asked for at once: whatever has come
# What a boundary is made of (RFC 2046, 5.1.1).
_BOUNDARY_BYTES = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_'()+,./:=? "


class File:
    """One of request.files: its `name` as the client has it, never a path; `type`, its Content-Type or ""; `body`."""

    def __init__(self, name: str, type: str, body: bytes) -> None:
        self.name = name
        self.type = type
        self.body = body


class Part:
    """One field or file of a form.

    name      of the field
    filename  of a file, without folders, "" where none was chosen; None for what is no file
    headers   its fields, as request.headers
    """

    def __init__(self, source: "parts", head: bytes) -> None:
        for line in head.split(b"\r\n")[1:-1]:
            colon = line.find(b":")
            known = line[:colon].strip(webhal.response.TOKEN.encode())
            if colon < 1 or known or min(line.replace(b"\t", b" ")) < 32 or b"\x7f" in line:
                raise _malformed("head")
        self.source = source
        self.headers = webhal.request.MultiDict([], head)
        disposition = self.headers.getlist("content-disposition")
        kind, values = _parameters(disposition[0].encode()) if len(disposition) == 1 else (b"", {})
        if kind != b"form-data" or b"name" not in values:
            raise _malformed("Content-Disposition")
        if self.headers.get("content-transfer-encoding", "8bit").lower() not in "binary 8bit 7bit".split():
            raise webhal.errors.HTTPError(400, "a part has no transfer encoding")  # RFC 7578, 4.7
        self.name = plain(values[b"name"])
        name = None
        if b"filename*" in values:
            name = decode(values[b"filename*"])
        elif b"filename" in values:
            name = plain(values[b"filename"])
        if name:
            name = name[max(name.rfind("/"), name.rfind("\\")) + 1 :]
            while name[1:2] == ":":  # a drive
                name = name[2:]
            if not name.strip(". "):
                name = ""
        self.filename = name

    async def read(self, most: int = 512) -> bytes:
        """The next 1 to `most` bytes of the part, b"" at its end.

        Raises RuntimeError once the next part was asked for: what was not read of this one is gone.
        """
        source = self.source
        if not isinstance(most, int) or most < 1:
            raise webhal.mistakes.value("read", most)
        if source.part is not self:
            raise RuntimeError("a part is read before the next one is asked for")
        while True:
            piece = source.read_body(most)
            if piece is not None:
                return piece
            source.feed(await source.request.read(_PIECE))

    async def save(self, path: str) -> None:
        """Write what is still to be read to a file, which is there when it is whole, in place of an older one.

        Until then it is .upload-… in the same folder; that is removed where the client leaves, or anything fails.
        Raises OSError where it cannot be written.
        """
        path = str(path)
        folder = path[: max(path.rfind("/"), path.rfind("\\")) + 1]
        name = "%s.upload-%d" % (folder, int.from_bytes(os.urandom(8), "little"))
        file = open(name, "wb")
        try:
            try:
                while True:
                    piece = await self.read(_PIECE)
                    if not piece:
                        break
                    file.write(piece)
            finally:
                file.close()
            getattr(os, "replace", os.rename)(name, path)  # boards' rename replaces, Windows' does not
        except BaseException:
            os.remove(name)
            raise


class parts:
    """The parts of a form that is multipart/form-data: `async for part in parts(request)`.

    With `stream=True` a body of any length goes through it; a body that was read whole may be read so, too. What is
    not read of a part is skipped.

    Raises HTTPError: 415 for a body of another type; 400 for a malformed one; 431 for a part's head of more than 1 KB;
    413 for more than 100 parts, or for fields that are together larger than a body that is read whole may be.

    `next` and `read_body` return None for "more input is needed"; `feed` adds it.
    """

    data = b""  # received; consumed before `start`
    start = 0
    last = False  # no more comes
    phase = -1  # 1 in a part or in the preamble, -1 where that begins, 0 after a delimiter
    count = 0
    part: "Part | None" = None

    def __init__(self, request: "Request") -> None:
        if webhal.text.media_type(request) != b"multipart/form-data":
            raise webhal.errors.HTTPError(415, "a form with files is multipart/form-data")
        boundary = _parameters(request.headers["content-type"].encode())[1].get(b"boundary", b"")
        if not 0 < len(boundary) <= _BOUNDARY or boundary.strip(_BOUNDARY_BYTES) or boundary[-1:] == b" ":
            raise _malformed("boundary")
        self.request = request
        self.delimiter = b"\r\n--" + boundary  # its only CR is the first byte
        if request.connection and "body" not in request.__dict__:
            self.limit = request.limit
        else:
            self.data = request.body
            self.limit = len(self.data)
            self.last = True

    def feed(self, data: bytes) -> None:
        """Add what was received, in order; b"" is the body's end."""
        if data:
            left = self.data[self.start :]
            self.data = left + data if left else data
            self.start = 0
        else:
            self.last = True

    def next(self) -> "Any":
        """The next part; False where there is none."""
        while self.phase:
            if self.read_body(_PIECE) is None:
                return None
        data = self.data
        start = self.start
        if data.startswith(b"--", start):
            if self.last:
                return False
            self.data = data[: start + 2]  # and nothing of what follows
            return None
        end = data.find(b"\r\n\r\n", start, start + _HEAD + 4)
        if end < 0:
            if len(data) >= start + _HEAD + 4:
                raise webhal.errors.HTTPError(431)
            if self.last:
                raise _malformed("end")
            return None
        if self.count == _PARTS:
            raise webhal.errors.HTTPError(413, "too many parts")
        self.count += 1
        self.start = end + 4
        self.phase = -1
        self.part = Part(self, data[start : end + 2])
        return self.part

    def read_body(self, most: int) -> "bytes | None":
        """The next 1 to `most` bytes of the part; b"" at its end."""
        if not self.phase:
            return b""
        data = self.data
        start = self.start
        size = len(self.delimiter)
        stop = start
        if self.phase > 0:
            stop = data.find(self.delimiter, start, start + most + size)
        if stop == start:
            end = self.line()
            if end is None:
                return None
            if end:
                self.start = end
                self.phase = 0
                return b""
            if self.phase < 0:
                self.phase = 1
                return self.read_body(most)
            stop = start + min(size, most)
        elif stop < 0:
            stop = len(data)
            place = data.rfind(b"\r", max(start, stop - size + 1))
            if place >= 0 and self.delimiter.startswith(data[place:]):
                stop = place
            stop = min(stop, start + most)
            if stop == start:
                if self.last:
                    raise _malformed("end")
                return None
        self.start = stop
        if self.part and self.part.filename is None:
            self.limit -= stop - start
            if self.limit < 0:
                raise webhal.errors.HTTPError(413)
        return data[start:stop]

    def line(self) -> "int | None":
        """Where the delimiter that is at `start` ends, 0 if its line has something else; None for more input."""
        data = self.data
        # Nothing is before the first one, and what ends a head may begin the next delimiter (RFC 2046, 5.1.1).
        delimiter = self.delimiter if self.phase > 0 else self.delimiter[2:]
        end = self.start + len(delimiter)
        known = data[self.start : end]
        rest = data[end : end + _PADDING]
        if known == delimiter:
            if rest.startswith(b"--") or rest.lstrip(b" \t").startswith(b"\r\n"):
                return end
            rest = rest.lstrip(b" \t")
        more = delimiter.startswith(known) and (b"--".startswith(rest) or b"\r\n".startswith(rest))
        return None if more and len(data) < end + _PADDING and not self.last else 0

    def __aiter__(self) -> "parts":
        return self

    async def __anext__(self) -> Part:
        while True:
            part = self.next()
            if part:
                return part  # type: ignore[no-any-return]
            if part is False:
                raise StopAsyncIteration
            self.feed(await self.request.read(_PIECE))


def form(request: "Request") -> "tuple[MultiDict, Files]":
    """request.form and request.files of a body that was read whole."""
    source = parts(request)
    fields = []
    files = []
    while True:
        part = source.next()
        if not part:
            break
        pieces = []
        while True:
            body = source.read_body(len(source.data))
            if not body:
                break
            pieces.append(body)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if part.filename is None:
            fields.append((part.name, webhal.request.plain(body)))
        else:
            files.append((part.name, File(part.filename, part.headers.get("content-type", ""), body)))
    made = webhal.request.MultiDict
    return made(fields), made(files)  # type: ignore


def _malformed(what: str) -> Exception:
    return webhal.errors.HTTPError(400, "malformed multipart/form-data: " + what)


def _parameters(value: bytes) -> "tuple[bytes, dict[bytes, bytes]]":
    """(what stands first, parameters) of a Content-Type or Content-Disposition (RFC 9110, 5.6.6), names in lower case.

    In quotes a backslash is one, as browsers have it, but before a quote or another backslash (RFC 2616's clients).
    """
    token = webhal.response.TOKEN.encode()
    size = len(value)
    place = value.find(b";")
    if place < 0:
        place = size
    kind = value[:place].strip(b" \t").lower()
    found: "dict[bytes, bytes]" = {}
    while value[place + 1 :].strip(b" \t"):
        equals = value.find(b"=", place)
        name = value[place + 1 : equals].strip(b" \t").lower()
        start = equals + 1
        text: "bytes | bytearray | None" = None
        if value[start : start + 1] == b'"':
            text = bytearray()
            start += 1
            while value[start : start + 1] != b'"':
                if start >= size:
                    raise _malformed("parameter")
                # A name that ends with a backslash, from a browser, ends the line.
                if value[start] == 92 and value[start + 1 : start + 2] in (b'"', b"\\") and start + 2 < size:
                    start += 1
                text.append(value[start])
                start += 1
            start += 1
        place = value.find(b";", start)
        if place < 0:
            place = size
        rest = value[start:place].rstrip(b" \t")
        if text is None:
            text = rest
            rest = rest.strip(token) if rest else b"="  # no value is none, either
        if equals < 0 or not name or name.strip(token) or name in found or rest:
            raise _malformed("parameter")
        found[name] = bytes(text)
    return kind, found


def plain(data: bytes) -> str:
    """A name, in which browsers write three characters otherwise (WHATWG HTML, 4.10.21.8)."""
    return webhal.request.plain(data.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n"))


def decode(data: bytes) -> str:
    """A name with its charset (RFC 8187, 3.2; ISO 8859-1 is RFC 5987's)."""
    pieces = data.split(b"'")
    text = webhal.text.unquote(pieces[-1])
    charset = pieces[0].lower()
    if len(pieces) == 3 and text and min(text) > 31 and b"\x7f" not in text:
        if charset == b"iso-8859-1":
            return webhal.unicode.latin1(text)
        if charset == b"utf-8":
            return webhal.text.decode(text)
    raise _malformed("filename*")
