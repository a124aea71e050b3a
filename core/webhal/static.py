"""Static files: StaticFiles, an application to be mounted, and send_file, a handler's result.

    from webhal.static import StaticFiles, send_file, static_url

Which file a path means, in which coding it is sent, its type and its validators. Conditional requests and ranges are in
conditional.py, fingerprints in assets.py; files that are not in memory are sent by stream.py.
"""

import os
import sys

import webhal
from webhal.app import App

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.http import Request
    from webhal.response import Response

# What leads out of a folder, to a hidden file, or to one by another name: FAT knows a file by its short name as well
# (SECRET~1), and it and Windows drop dots and spaces at the end of a name; a colon is Windows's.
_REFUSED = ("//", "/.", "./", " /", "\\", ":", "~", "\0")
# Of the names' ends that boards serve; a PC knows more.
_TYPES = (
    " html:text/html css:text/css js:text/javascript json:application/json svg:image/svg+xml png:image/png "
    "jpg:image/jpeg gif:image/gif ico:image/x-icon txt:text/plain woff2:font/woff2 "
)
_FOR_EVER = "public, max-age=31536000, immutable"  # Cache-Control of what has its content's fingerprint in its name
_CLOCK_SET = 1609459200  # 2021; a file's time before that is of a clock that was not set, and tells nothing

if sys.implementation.name == "cpython":
    import mimetypes
    from functools import lru_cache
    from time import time_ns

    _WHOLE = 65536  # bytes; a file up to this size is read at once
    _REMEMBERED = 256  # so many of them, those that were asked for last, are kept in memory: 16 MB at most
    # Since its last change, before a file is remembered by its times: two changes in a tick of the clock have the same.
    _SETTLED_NS = 2_000_000_000
    # Without waiting for who writes to a pipe, and without following a link, where one has taken the file's place.
    _FLAGS: int = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    _NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)


_known: "list[StaticFiles]" = []


class StaticFiles(App):
    """An application that answers GET and HEAD with the files of a folder.

        app.mount("/static", StaticFiles("static"))

    folder     relative to the folder of the file that calls this; on boards, to the first of sys.path that has it
    cache      the Cache-Control of every answer; None for none
    symlinks   follow symbolic links, wherever they lead; else what is behind one is not there

    Raises ValueError where there is no such folder.
    """

    def __init__(self, folder: str, cache: "str | None" = "no-cache", symlinks: bool = False) -> None:
        super().__init__()
        self.folder = locate(folder)
        if not is_folder(status(self.folder, 0)):
            raise ValueError("there is no folder " + self.folder)
        self.cache = cache
        self.judged = 0 if symlinks else len(self.folder)
        self.built = is_file(self.status(".assets"))
        self.get("/<path:name>")(self.answer)
        _known.append(self)

    def status(self, name: str) -> "Any":
        """os.stat of a file or folder in the folder, or None."""
        return status(self.folder + "/" + name, self.judged)

    def answer(self, request: "Request", name: str) -> "Response":
        """The file `name`, or the index.html of the folder. Raises HTTPError for one that is not there, or not so."""
        inside = not name or name[-1:] == "/"
        if inside:
            name += "index.html"
        judge(name)
        plain = self.status(name)
        cache = self.cache
        tag = ""
        if self.built:
            other, digits = webhal.assets.split(name)
            if digits:
                found = self.status(other)
                tag = webhal.assets.fingerprint(self, other, found)
            if tag and tag == digits:
                name = other
                plain = found
                cache = _FOR_EVER
            else:
                tag = webhal.assets.fingerprint(self, name, plain)
        if is_folder(plain) or inside and request.path[-1:] != "/":
            # What its page names is relative to the folder, so that must be seen in its address.
            path = escape(request.path) + "/"
            query = request.target.find("?")
            return webhal.fields.redirect(path + request.target[query:] if query > 0 else path)
        return File(self.folder + "/" + name, self.judged, cache, tag).answer(request, plain)


class File:
    """A file that is to be sent: a handler's result that becomes a Response once the request is at hand.

    judged: see `status`; cache: its Cache-Control; tag: of its content, where that is known; headers: what the Response
    has besides, or instead.
    """

    version: "tuple[int, ...]"  # on a PC: its inode and times, by which another one under its name is known

    def __init__(
        self, path: str, judged: int, cache: "str | None", tag: str, headers: "dict[str, Any] | None" = None
    ) -> None:
        self.path = path
        self.judged = judged
        self.cache = cache
        self.tag = tag
        self.headers = headers

    def respond(self, request: "Request") -> "Response":
        """`answer`, for what a handler returned."""
        return self.answer(request, status(self.path, self.judged))

    def answer(self, request: "Request", plain: "Any") -> "Response":
        """The Response, where `plain` is the status of the file.

        Raises HTTPError: 404, and 406, 412 and 416 where the request says how it wants it.
        """
        lower = request.head.lower()
        accept = request.headers.get("accept-encoding") if b"\r\naccept-encoding:" in lower else None
        self.suffix, found = choose(self.path, plain, self.judged, accept)
        size = found[6]
        time = found[8]
        if sys.implementation.name == "cpython":
            time = found.st_mtime_ns
            self.version = (found.st_ino, time, found.st_ctime_ns)
        headers = dict(describe(self.path, self.suffix, size, time, self.cache, self.tag))
        for name in self.headers or ():
            known = [other for other in headers if other.lower() == name.lower()]
            headers[known[0] if known else name] = self.headers[name]  # type: ignore[index]
        # An error's page is no answer to conditions.
        if (b"\r\nif-" in lower or b"\r\nrange:" in lower) and "error" not in request.__dict__:
            response = webhal.conditional.respond(self, request, size, headers)
            if response:
                return response
        if request.method == "HEAD":
            headers["Content-Length"] = size
            return webhal.response.Response(b"", None, headers)
        body = self.read(0, size)
        if hasattr(body, "read"):
            headers["Content-Length"] = size
        return webhal.response.Response(body, None, headers)

    def read(self, start: int, size: int) -> "Any":
        """So many bytes from `start` on, in memory if it is a small file, or mapped there; else the open file.

        Raises HTTPError(404) where it is gone.
        """
        if sys.implementation.name == "cpython":
            if size <= _WHOLE:
                settled = time_ns() - max(self.version[1:]) > _SETTLED_NS
                return (_remembered if settled else _read)(
                    self.path + self.suffix, self.judged, start, size, self.version
                )
        file = self.open()
        try:
            return memoryview(file)[start : start + size]  # of a ROMFS
        except TypeError:
            pass
        file.seek(start)
        return file

    def open(self) -> "Any":
        """The file, opened to be read. Raises HTTPError(404) where it is gone."""
        try:
            if sys.implementation.name == "cpython":
                return os.fdopen(_open(self.path + self.suffix, self.judged), "rb", 0)
            return open(self.path + self.suffix, "rb")
        except OSError:
            raise webhal.errors.HTTPError(404)


def send_file(path: str, headers: "dict[str, Any] | None" = None) -> File:
    """A file as a handler's result: with its type and validators, in ranges, or not at all if the client has it.

    A path that is not absolute is relative as that of StaticFiles is, and may end with what a client sent. Raises
    HTTPError(404) where it leads out of there or to a hidden file; symbolic links are not followed.
    """
    absolute = path[:1] == "/"
    if sys.implementation.name == "cpython":
        absolute = os.path.isabs(path)
    whole = locate(path)
    if absolute:
        return File(whole, 0, None, "", headers)
    judge(path)
    return File(whole, len(whole) - len(path) - 1, None, "", headers)


def static_url(name: str) -> str:
    """The path of a file's URL, such as "/static/style.0123456789ab.css" of "style.css", to be put into a page.

    That is where the StaticFiles that has the file is mounted; the latest made, if several have it. The fingerprint is
    there where `webhal build-assets` gave the file one, and the file is still the same. Raises ValueError where none
    has the file.
    """
    return escape(webhal.assets.url(_known, name))


def escape(path: str) -> str:
    """A path as it is written in a URL; what has no meaning there is left to who writes it."""
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def locate(path: str) -> str:
    """An absolute path as it is; else one in the folder of the application."""
    if sys.implementation.name == "cpython":
        file = sys._getframe(2).f_globals.get("__file__", "")  # of who calls what calls this
        return os.path.join(os.path.dirname(os.path.abspath(file)) if file else os.getcwd(), path)
    # Boards know no caller, and an ESP8266 no __file__: the application lies where it was imported from.
    for folder in sys.path if path[:1] != "/" else ():
        whole = folder + "/" + path if folder else path
        if status(whole, 0):
            return whole
    return path


def judge(name: str) -> None:
    """Raise HTTPError(404) for a path that is refused whatever there is, for it could lead out of the folder."""
    name = "/" + name + "/"
    for part in _REFUSED:
        if part in name:
            raise webhal.errors.HTTPError(404)


def status(path: str, judged: int) -> "Any":
    """os.stat of what is there, or None.

    judged: where in the path the part begins in which a symbolic link is none that is followed; 0: there is no such.
    """
    try:
        if sys.implementation.name == "cpython":
            if judged:
                place = path.find("/", judged + 1)
                while place > 0:
                    if not is_folder(_lstat(path[:place])):
                        return None
                    place = path.find("/", place + 1)
                return _lstat(path)
        return os.stat(path)
    except (OSError, ValueError):  # of text that no file's name can have
        return None


if sys.implementation.name == "cpython":

    def _open(path: str, judged: int) -> int:
        return os.open(path, _FLAGS | _NO_LINK if judged else _FLAGS)

    def _read(path: str, judged: int, start: int, size: int, version: "tuple[int, ...]") -> bytes:
        """File.read of a small file, at a third of what a file object costs."""
        try:
            descriptor = _open(path, judged)
            try:
                if start:
                    os.lseek(descriptor, start, 0)
                return os.read(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError:
            raise webhal.errors.HTTPError(404) from None

    _remembered = lru_cache(_REMEMBERED)(_read)

    def _lstat(path: str) -> "os.stat_result | None":
        """os.lstat of what is no link, neither one that Windows calls a junction."""
        found = os.lstat(path)
        return None if getattr(found, "st_reparse_tag", 0) & 0x20000000 else found  # IsReparseTagNameSurrogate


def is_folder(found: "Any") -> bool:
    """Whether os.stat says that of what it found."""
    return found is not None and found[0] & 0xF000 == 0x4000


def is_file(found: "Any") -> bool:
    """Whether os.stat says that of what it found: a regular file."""
    return found is not None and found[0] & 0xF000 == 0x8000


def choose(path: str, plain: "Any", judged: int, accept: "str | None") -> "tuple[str, Any]":
    """(suffix, status) of the file, or of its compressed sibling, as the client likes best (RFC 9110, 12.5.3).

    plain: the file's status. A sibling that is older is out of date. The file itself is sent even where the client
    refuses it so. Raises HTTPError: 404 where there is neither, 406 where the client refuses what there is.
    """
    best: "tuple[str, Any] | None" = None
    weight = 0.0
    error = 404
    if is_file(plain):
        best = "", plain
        if accept is None:
            return best
        weight = quality(accept, "identity")
    elif accept is None:  # anything will do
        accept = "gzip, *;q=0.1"
    for suffix in (".gz", ".br"):
        wanted = quality(accept, "br" if suffix == ".br" else "gzip")
        if wanted >= weight and (wanted or not best):
            found = status(path + suffix, judged)
            if is_file(found) and (not best or best[0] or found[8] >= best[1][8]):
                if wanted:
                    best = suffix, found
                    weight = wanted
                else:
                    error = 406
    if not best:
        raise webhal.errors.HTTPError(error)
    return best


def quality(accept: str, coding: str) -> float:
    """The weight that an Accept-Encoding gives to a coding: 0, not acceptable, to 1."""
    weight = 0.0001 if coding == "identity" else 0.0
    for part in accept.lower().split(","):
        words = part.split(";")
        name = words[0].strip()
        if name == coding or name == "*":
            value = 1.0
            for word in words[1:]:
                word = word.strip()
                if word[:2] == "q=":
                    try:
                        value = float(word[2:])
                    except ValueError:
                        value = -1.0
            if not 0 <= value <= 1:
                value = 0.0
            if name == coding:
                return value
            weight = value
    return weight


def media_type(path: str) -> str:
    """The Content-Type that the end of a name stands for."""
    end = path[path.rfind(".") + 1 :].lower()
    start = _TYPES.find(" " + end + ":") + 1
    kind = ""
    if start:
        start += len(end) + 1
        kind = _TYPES[start : _TYPES.find(" ", start)]
    if sys.implementation.name == "cpython":
        if not kind:
            kind, coding = mimetypes.guess_type(path)  # type: ignore[assignment]
            kind = "application/gzip" if coding == "gzip" else "" if coding else kind  # of what is asked for compressed
    kind = kind or "application/octet-stream"
    return kind + "; charset=utf-8" if kind[:5] == "text/" else kind


def describe(path: str, suffix: str, size: int, time: int, cache: "str | None", tag: str) -> "dict[str, Any]":
    """The fields that tell of a file of this size and time: seconds since the platform's epoch, of a PC nanoseconds."""
    fields = {"Content-Type": media_type(path), "Vary": "Accept-Encoding", "Accept-Ranges": "bytes"}
    if suffix:
        fields["Content-Encoding"] = "br" if suffix == ".br" else "gzip"
    if cache:
        fields["Cache-Control"] = cache
    seconds = time
    if sys.implementation.name == "cpython":
        seconds = time // 1_000_000_000
    import time as clock

    if clock.localtime(0)[0] == 2000:
        seconds += 946684800
    if seconds >= _CLOCK_SET:
        fields["Last-Modified"] = webhal.date.http_date(seconds)
        tag = tag or "%x-%x" % (size, time)
    if tag:
        fields["ETag"] = '"%s%s"' % (tag, suffix)
    return fields


if sys.implementation.name == "cpython":
    describe = lru_cache(1024)(describe)
