"""What a Request offers beyond its head and body, loaded when an application first asks for it.

`attribute` makes each of these once: args, headers, cookies, form, read, state; text and json are in text.py. The
judgement of a request's bytes is in http.py; what is malformed in a value here is answered with 400 all the same.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import overload

    from webhal.http import Request


class MultiDict:
    """Names with one or several str values, in the order in which the client sent them."""

    def __init__(self, pairs: "list[tuple[str, str]]", head: bytes = b"") -> None:
        self.pairs = pairs
        self.head = head  # of a request, whose fields these are: read anew each time, because it is in memory anyway

    def getlist(self, name: str) -> "list[str]":
        """All values of `name`."""
        if self.head:
            name = name.lower()
        return [value for known, value in self.items() if known == name]

    if TYPE_CHECKING:

        @overload
        def get(self, name: str, default: None = None) -> "str | None": ...

        @overload
        def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: "str | None" = None) -> "str | None":
        """The first value of `name`, or `default`."""
        values = self.getlist(name)
        return values[0] if values else default

    def __getitem__(self, name: str) -> str:
        """The first value of `name`; raises KeyError."""
        values = self.getlist(name)
        if not values:
            raise KeyError(name)
        return values[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.getlist(name))

    def __iter__(self) -> "Iterator[str]":
        return iter([name for name, _ in self.items()])

    def __len__(self) -> int:
        pairs = self.items()
        return len(pairs)

    if sys.implementation.name == "cpython":

        def __repr__(self) -> str:
            return "MultiDict(%r)" % (self.items(),)

    def items(self) -> "list[tuple[str, str]]":
        """(name, value) pairs, a name with several values several times."""
        return _fields(self.head) if self.head else self.pairs


class State:
    """What an application keeps with a request, from hook to handler to hook: any attributes."""


def attribute(request: "Request", name: str) -> object:
    """The value of a Request's late attribute. Raises AttributeError, or HTTPError for bad input."""
    if name == "headers":
        return MultiDict([], request.head)
    if name == "args":
        query = request.target.find("?")
        return MultiDict(_pairs(request.target[query + 1 :] if query >= 0 else ""))
    if name == "cookies":
        cookies: "dict[str, str]" = {}  # RFC 6265, 4.2; the first of a name wins
        for part in ";".join(request.headers.getlist("cookie")).split(";"):
            equals = part.find("=")
            known = part[:equals].strip()
            if equals > 0 and known and known not in cookies:
                cookies[known] = part[equals + 1 :].strip().strip('"')
        return cookies
    if name == "form":
        kind = request.headers.get("content-type") or ""
        if kind.split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            raise webhal.errors.HTTPError(415, "a form is application/x-www-form-urlencoded")
        return MultiDict(_pairs(webhal.text.decode(request.body)))
    if name == "body":
        if request.connection:
            raise RuntimeError("this handler reads the body: await request.read(n), until it is empty")
        return b""
    if name == "state":
        return State()
    if name == "read":
        return lambda most=512: webhal.task.Read(request, most)
    raise AttributeError("a request has no " + repr(name))


def _pairs(text: str) -> "list[tuple[str, str]]":
    """The names and values of a query or an urlencoded form."""
    pairs = []
    for part in text.replace("+", " ").split("&"):
        if part:
            equals = part.find("=")
            if equals < 0:
                pairs.append((webhal.text.unquote(part), ""))
            else:
                pairs.append((webhal.text.unquote(part[:equals]), webhal.text.unquote(part[equals + 1 :])))
    return pairs


def _fields(head: bytes) -> "list[tuple[str, str]]":
    """The fields of a head, names in lower case; of a refused one what looks like a field."""
    pairs = []
    for line in head.split(b"\r\n")[1:]:
        colon = line.find(b":")
        if colon > 0:
            pairs.append((_text(line[:colon]).lower(), _text(line[colon + 1 :].strip(b" \t"))))
    return pairs


def _text(data: bytes) -> str:
    """UTF-8 text, or ISO 8859-1, as fields were once."""
    try:
        return str(data, "utf-8")
    except UnicodeError:
        # As UTF-8 first, for MicroPython keeps what chr() gives, in a table that may need room to grow.
        text = bytearray()
        for byte in data:
            if byte < 0x80:
                text.append(byte)
            else:
                text.append(0xC0 | byte >> 6)
                text.append(0x80 | byte & 0x3F)
        return str(text, "utf-8")
