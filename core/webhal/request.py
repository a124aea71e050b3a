"""What a Request offers beyond its head and body, loaded when an application first asks for it.

`attribute` makes each of these once: args, headers, cookies, form, files, read, state; text and json are in text.py,
forms with files in multipart.py. The judgement of a request's bytes is in http.py; what is wrong with a value here is
answered all the same.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import overload

    from webhal.http import Request
    from webhal.task import Read

_PAIRS = 1000  # of a form or a query, as in Django and Starlette: each costs more time than its bytes tell
_MANY = 32  # names; fewer are looked for one by one


class MultiDict:
    """Names with one or several str values, in the order in which the client sent them.

    Of a request's fields the names are in any case, and several values of a name are one (RFC 9110, 5.3).
    """

    if sys.implementation.name == "cpython":  # boards have not the memory for many names
        known: "dict[str, list[str]] | None" = None  # the values of each name, where there are many

    def __init__(self, pairs: "list[tuple[str, str]]", head: bytes = b"") -> None:
        self.pairs = pairs
        self.head = head  # of a request, whose fields these are: read anew each time, because it is in memory anyway

    def getlist(self, name: str) -> "list[str]":
        """All values of `name`."""
        head = self.head
        if head:
            name = name.lower()
        if sys.implementation.name == "cpython":
            if head:
                return values_of(head, name)
            if self.known is None and len(self.pairs) > _MANY:
                self.known = {}
                for known, value in self.items():
                    self.known.setdefault(known, []).append(value)
            if self.known is not None:
                return list(self.known.get(name, ()))
        pairs = fields(head, name) if head else self.pairs
        values = []  # not by a comprehension, here and elsewhere: a board keeps 80 bytes for each
        for known, value in pairs:
            if known == name:
                values.append(value)
        return values

    if TYPE_CHECKING:

        @overload
        def get(self, name: str, default: None = None) -> "str | None": ...

        @overload
        def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: "str | None" = None) -> "str | None":
        """The first value of `name`, of fields all of them, joined by commas (Cookie by semicolons); or `default`."""
        values = self.getlist(name)
        if not values:
            return default
        if len(values) == 1 or not self.head:
            return values[0]
        return ("; " if name.lower() == "cookie" else ", ").join(values)

    def __getitem__(self, name: str) -> str:
        """The same. Raises HTTPError(400) where there is none: that the client did not send it is its fault."""
        value = self.get(name)
        if value is None:
            raise webhal.errors.HTTPError(400, name + " is missing")
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.getlist(name))

    def __iter__(self) -> "Iterator[str]":
        return iter(self.keys())

    def __len__(self) -> int:
        pairs = self.items()
        return len(pairs)

    if sys.implementation.name == "cpython":

        def __repr__(self) -> str:
            return "MultiDict(%r)" % (self.items(),)

    def keys(self) -> "list[str]":
        """The names, one with several values several times."""
        names = []
        for pair in self.items():
            names.append(pair[0])
        return names

    def items(self) -> "list[tuple[str, str]]":
        """(name, value) pairs, a name with several values several times."""
        return fields(self.head) if self.head else self.pairs


def fields(head: bytes, name: str = "") -> "list[tuple[str, str]]":
    """The fields of a head, names in lower case, or those called `name`; of a refused head what looks like a field."""
    wanted = name.encode()
    pairs = []
    stop = head.find(b"\r\n")
    while stop >= 0:
        begin = stop + 2
        stop = head.find(b"\r\n", begin)
        end = len(head) if stop < 0 else stop
        colon = head.find(b":", begin, end)
        if colon > begin and (not wanted or colon - begin == len(wanted)):
            known = head[begin:colon].lower()
            if not wanted or known == wanted:
                pairs.append((name or decode(known), decode(head[colon + 1 : end].strip())))
    return pairs


if sys.implementation.name == "cpython":

    def values_of(head: bytes, name: str) -> "list[str]":
        """The values of the field `name`, in lower case, as `fields` has them: found in C, for a copy of the head."""
        values: "list[str]" = []
        if not name or ":" in name:
            return values
        mark = b"\r\n%s:" % name.encode()
        known = head.lower()
        begin = known.find(mark)
        while begin >= 0:
            begin += len(mark)
            end = known.find(b"\r\n", begin)
            value = (head[begin:end] if end >= 0 else head[begin:]).strip()
            values.append(str(value, "ascii") if value.isascii() else decode(value))
            begin = known.find(mark, end) if end >= 0 else -1
        return values


def decode(data: bytes) -> str:
    """UTF-8 text, or ISO 8859-1, as fields were once."""
    if not data or max(data) < 128:
        return str(data, "utf-8")
    try:
        return webhal.text.decode(data)
    except webhal.errors.HTTPError:
        return webhal.unicode.latin1(data)


class State:
    """What an application keeps with a request, from hook to handler to hook: any attributes."""


def attribute(request: "Request", name: str) -> object:
    """The value of a Request's late attribute. Raises AttributeError, or HTTPError for bad input."""
    if name == "headers":
        return MultiDict([], request.head)
    if name == "args":
        query = request.target.find("?")
        return MultiDict(_pairs(request, request.target[query + 1 :].encode() if query >= 0 else b""))
    if name == "cookies":
        pairs: "list[tuple[str, str]]" = []  # RFC 6265, 4.2
        for part in request.headers.get("cookie", "").split(";"):
            equals = part.find("=")
            known = part[:equals].strip(" \t")  # no other space: it would make one name of two
            if equals > 0 and known:
                value = part[equals + 1 :].strip(" \t")
                if len(value) > 1 and value[:1] == value[-1:] == '"':
                    value = value[1:-1]
                pairs.append((known, value))
        return MultiDict(pairs)
    if name == "form" or name == "files":
        kind = webhal.text.media_type(request) if request.body else b""
        if kind == b"multipart/form-data":
            request.form, request.files = webhal.multipart.form(request)
            return request.__dict__[name]
        if request.body and kind != b"application/x-www-form-urlencoded":
            raise webhal.errors.HTTPError(415, "a form is application/x-www-form-urlencoded or multipart/form-data")
        return MultiDict(_pairs(request, request.body) if name == "form" else [])
    if name == "last_event_id":
        return request.headers.get("last-event-id", "")
    if name == "pairs":
        return _PAIRS
    if name == "body":
        if request.connection:
            raise webhal.mistakes.read(request)
        return b""
    if name == "state":
        return State()
    if name == "read":

        def read(most: int = 512) -> "Read":
            if not isinstance(most, int) or most < 1:
                raise webhal.mistakes.value("read", most)
            return webhal.task.Read(request, most)

        return read
    raise AttributeError("a request has no " + repr(name))


def _pairs(request: "Request", data: bytes) -> "list[tuple[str, str]]":
    """The names and values of a query or an urlencoded form, read as browsers write them (WHATWG URL, 5.1).

    Raises HTTPError(413) for more than request.pairs of them.
    """
    pairs: "list[tuple[str, str]]" = []
    data = data.replace(b"+", b" ")
    start = 0
    while start < len(data):  # piece by piece: a list of thousands is what a board has no room for
        stop = data.find(b"&", start)
        if stop < 0:
            stop = len(data)
        if stop > start:
            if len(pairs) == request.pairs:
                raise webhal.errors.HTTPError(413, "too many names")
            equals = data.find(b"=", start, stop)
            if equals < 0:
                equals = stop
            name = webhal.text.unquote(data[start:equals])
            pairs.append((plain(name), plain(webhal.text.unquote(data[equals + 1 : stop]))))
        start = stop + 1
    return pairs


def plain(data: bytes) -> str:
    """UTF-8, with U+FFFD for what is none: nothing that a person could type is an error."""
    try:
        return webhal.text.decode(data)
    except webhal.errors.HTTPError:
        return webhal.unicode.replace(data)
