"""Compressed WebSocket messages: permessage-deflate (RFC 7692). On a PC only: boards can inflate, not deflate.

Frames are websocket.py's.
"""

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

_NAME = "permessage-deflate"
_TAIL = b"\x00\x00\xff\xff"  # of each message, and not sent (7.2.1)
_LARGEST = 15  # window bits
_LEAST = 9  # zlib makes no smaller one
_BITS = [str(bits) for bits in range(8, _LARGEST + 1)]


class Deflate:
    """Compresses and decompresses the messages of one connection, each by itself.

    Were they to refer to earlier ones, each client would take some 90 KB for as long as it is connected.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits  # of the window with which the client decompresses

    def compress(self, payload: bytes) -> bytes:
        """The payload of a message as it is sent."""
        packer = zlib.compressobj(wbits=-self.bits)
        return packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)[: -len(_TAIL)]

    def decompress(self, data: bytes, limit: int) -> "bytes | None":
        """The payload that was sent as `data`; None where it is larger than `limit`. Raises ValueError for no such."""
        unpacker = zlib.decompressobj(wbits=-_LARGEST)
        try:
            payload: bytes = unpacker.decompress(data + _TAIL, limit + 1)
        except zlib.error:
            raise ValueError("not deflated") from None
        if unpacker.eof and unpacker.unused_data.strip(b"\0") != _TAIL.strip(b"\0"):
            raise ValueError("more behind the final block")
        return payload if len(payload) <= limit and not unpacker.unconsumed_tail else None


def agree(offers: str) -> "tuple[str, Deflate] | None":
    """Of a Sec-WebSocket-Extensions the first offer that can be taken: (what to answer, Deflate) (7.1)."""
    for offer in offers.split(","):
        name, *parameters = [part.strip() for part in offer.split(";")]
        if name == _NAME:
            agreed = _take(parameters)
            if agreed:
                return agreed
    return None


def _take(parameters: "list[str]") -> "tuple[str, Deflate] | None":
    """(what to answer, Deflate) for one offer; None for one that is malformed, or asks for too small a window."""
    values: "dict[str, str]" = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        value = value.strip('"')
        good = value in _BITS
        if name in values or not (
            (name in ("server_no_context_takeover", "client_no_context_takeover") and not equals)
            or (name == "server_max_window_bits" and good and int(value) >= _LEAST)
            or (name == "client_max_window_bits" and (good or not equals))
        ):
            return None
        values[name] = value
    answer = _NAME + "; server_no_context_takeover; client_no_context_takeover"  # asked for or not (7.1.1)
    bits = values.get("server_max_window_bits")
    if bits:
        answer += "; server_max_window_bits=" + bits
    return answer, Deflate(int(bits or _LARGEST))
