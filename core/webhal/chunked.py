"""The chunked transfer coding of a request's body (RFC 9112, 7.1), loaded when a client uses it.

Only decoding lives here; an answer is put into chunks in stream.py.
"""

from webhal.errors import HTTPError
from webhal.head import HEX, TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.http import Reader

_SIZE_DIGITS = 8  # hexadecimal digits of a chunk's size; more would be over 4 GB
# One chunk-size line with its extensions, which mean nothing to webhal: 16 digits would do.
_SIZE_LINE = 256
# What size lines may take, as in Go's net/http: so much each, and double the data; what is beyond counts.
_SPARE = 16
_AT_ONCE = 64  # small chunks that are read in one call


class Chunked:
    """Where in the chunks a body's reader is.

    `limit` bounds, in bytes, all trailer fields together with what size lines have beyond what their data allows.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = 0  # bytes of the current chunk not yet read
        self.closing = False  # the CRLF after a chunk's data is due: a line of no bytes
        self.trailers = False  # the last chunk was seen

    def read(self, reader: "Reader", most: int) -> "bytes | None":
        """What Reader.read_body promises."""
        while not self.left:
            if not (self.closing or self.trailers or reader.looked):
                small = _small(reader, most)
                if small:
                    return small
            line = self._line(reader)
            if line is None:
                return None
            if self.closing:
                self.closing = False
            elif not self.trailers:
                self.left = _size(line)
                self.limit -= max(0, len(line) - _SPARE - 2 * self.left)
                if self.limit < 0:
                    raise HTTPError(400, "too little data in chunks")
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
        end = data.find(b"\n", start + reader.looked)
        limit = 0 if self.closing else self.limit if self.trailers else _SIZE_LINE
        if (len(data) if end < 0 else end) - start > limit + 1:
            raise HTTPError(431 if self.trailers else 400, "no end of line in chunks")
        if end < 0:
            reader.looked = len(data) - start
            return None
        if end == start or data[end - 1] != 13:
            raise HTTPError(400, "line feed without carriage return")
        reader.looked = 0
        reader.start = end + 1
        return bytes(data[start : end - 1])


def _small(reader: "Reader", most: int) -> bytes:
    """The data of the next chunks together, `most` bytes of it, of those that are here as a whole, under 256 bytes each
    and without extensions: a client that sends one for each byte costs others no more time than it must.
    """
    data = reader.input
    piece = bytearray()
    for _ in range(_AT_ONCE):
        start = reader.start
        end = data.find(b"\r\n", start, start + 4)
        digits = bytes(data[start : max(start, end)])
        if not digits or digits.strip(HEX):
            break
        size = int(digits, 16)
        stop = end + 2 + size
        most -= size
        if not size or most < 0 or data[stop : stop + 2] != b"\r\n":
            break
        piece.extend(data[end + 2 : stop])
        reader.start = stop + 2
    return bytes(piece)


def _size(line: bytes) -> int:
    """The chunk's size: hexadecimal digits, then nothing or extensions."""
    digits = line
    if b";" in line:
        digits = line.split(b";")[0].rstrip(b" \t")
        if _controls(line):
            digits = b""
    size = digits.lstrip(b"0")
    if not digits or len(size) > _SIZE_DIGITS or size.strip(HEX):
        raise HTTPError(400, "malformed chunk size")
    return int(digits, 16)


def _judge_trailer(line: bytes) -> None:
    colon = line.find(b":")
    if colon < 1 or line[:colon].strip(TOKEN) or _controls(line):
        raise HTTPError(400, "malformed trailer")


def _controls(line: bytes) -> bool:
    return min(line.replace(b"\t", b" ")) < 32 or b"\x7f" in line
