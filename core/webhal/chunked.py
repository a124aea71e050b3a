"""The chunked transfer coding of a request's body (RFC 9112, 7.1), loaded when a client uses it.

Only decoding lives here; responses are put into chunks in response.py.
"""

from webhal.errors import HTTPError
from webhal.head import CONTROLS, TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.http import Reader

_HEX = b"0123456789abcdefABCDEF"
_SIZE_DIGITS = 8  # hexadecimal digits of a chunk's size; more would be over 4 GB
# One chunk-size line with its extensions, which mean nothing to webhal: 16 digits would do.
_SIZE_LINE = 256


class Chunked:
    """Where in the chunks a body's reader is. `limit` bounds all trailer fields together, in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = 0  # bytes of the current chunk not yet read
        self.closing = False  # the CRLF after a chunk's data is due: a line of no bytes
        self.trailers = False  # the last chunk was seen

    def read(self, reader: "Reader", most: int) -> "bytes | None":
        """What Reader.read_body promises."""
        while not self.left:
            line = self._line(reader)
            if line is None:
                return None
            if self.closing:
                self.closing = False
            elif not self.trailers:
                self.left = _size(line)
                self.trailers = self.left == 0
                self.closing = not self.trailers
            elif not line:
                reader.left = 0
                del reader.chunks
                return b""
            else:
                _judge_trailer(line)
                self.limit -= len(line) + 2
        start = reader.start
        piece = reader.input[start : start + min(most, self.left)]
        reader.start += len(piece)
        self.left -= len(piece)
        return bytes(piece) or None

    def _line(self, reader: "Reader") -> "bytes | None":
        """The next line, without its CRLF, once it is whole."""
        data = reader.input
        start = reader.start
        end = data.find(b"\n", start)
        limit = 0 if self.closing else self.limit if self.trailers else _SIZE_LINE
        if (len(data) if end < 0 else end) - start > limit + 1:
            raise HTTPError(431 if self.trailers else 400, "line too long in chunks")
        if end < 0:
            return None
        if end == start or data[end - 1] != 13:
            raise HTTPError(400, "line feed without carriage return")
        reader.start = end + 1
        return bytes(data[start : end - 1])


def _size(line: bytes) -> int:
    """The chunk's size: hexadecimal digits, then nothing or extensions."""
    digits = line.split(b";")[0]
    if len(digits) < len(line):
        digits = digits.rstrip(b" \t")
    if not digits or len(digits) > _SIZE_DIGITS or digits.strip(_HEX) or _controls(line):
        raise HTTPError(400, "malformed chunk size")
    return int(digits, 16)


def _judge_trailer(line: bytes) -> None:
    colon = line.find(b":")
    if colon < 1 or line[:colon].strip(TOKEN) or _controls(line):
        raise HTTPError(400, "malformed trailer")


def _controls(line: bytes) -> bool:
    return b"\r" in line or any(control in line for control in CONTROLS)
