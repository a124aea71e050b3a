"""Text that is not plain UTF-8: bytes that are none, ISO 8859-1, surrogates in JSON; loaded when a client sends such.

MicroPython has one encoding, knows no way but to raise, and takes half a character for a whole one. All works on bytes
here, because it keeps every character that is made on its own, in a table that may need room to grow.
"""

import sys

_HEX = b"0123456789abcdefABCDEF"
_REPLACEMENT = b"\xef\xbf\xbd"  # U+FFFD


def latin1(data: bytes) -> str:
    """ISO 8859-1."""
    text = bytearray()
    for byte in data:
        if byte < 0x80:
            text.append(byte)
        else:
            text.append(0xC0 | byte >> 6)
            text.append(0x80 | byte & 0x3F)
    return str(text, "utf-8")


def replace(data: bytes) -> str:
    """UTF-8, with U+FFFD for what is none, as browsers have it (WHATWG Encoding, 4.1 and 8.1.1)."""
    if sys.implementation.name == "cpython":
        return str(data, "utf-8", "replace")
    return str(repaired(data), "utf-8")


def repaired(data: bytes) -> bytearray:
    """`data` with U+FFFD for each run of bytes that begins a character as far as it goes, and for each other byte."""
    out = bytearray()
    start = 0
    while start < len(data):
        first = data[start]
        low = 0x80
        high = 0xBF
        more = 0  # bytes that must follow
        if 0xC2 <= first < 0xE0:
            more = 1
        elif 0xE0 <= first < 0xF0:
            more = 2
            if first == 0xE0:
                low = 0xA0  # else it would be longer than it need be,
            elif first == 0xED:
                high = 0x9F  # or a surrogate,
        elif 0xF0 <= first < 0xF5:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F  # or beyond Unicode
        end = start + 1
        while more and end < len(data) and low <= data[end] <= high:
            low = 0x80
            high = 0xBF
            end += 1
            more -= 1
        whole = not more and (first < 0x80 or end > start + 1)
        out.extend(data[start:end] if whole else _REPLACEMENT)
        start = end
    return out


def join_surrogates(data: bytes) -> bytes:
    """JSON with the character in place of each pair of escaped surrogates, U+FFFD of each lone one (RFC 8259, 8.2)."""
    out = bytearray()
    done = 0
    place = data.find(b"\\")
    while place >= 0:
        code = _surrogate(data, place)
        if code:
            out.extend(data[done:place])
            done = place + 6
            low = _surrogate(data, done)
            if code < 0xDC00 <= low:
                done += 6
                code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
                out.append(0xF0 | code >> 18)
                for shift in (12, 6, 0):
                    out.append(0x80 | code >> shift & 0x3F)
            else:
                out.extend(_REPLACEMENT)
            place = done
        else:
            place += 2  # what is escaped is a character of its own
        place = data.find(b"\\", place)
    out.extend(data[done:])
    return bytes(out)


def _surrogate(data: bytes, place: int) -> int:
    """The surrogate whose escape is there, or 0."""
    digits = data[place + 2 : place + 6]
    if data[place : place + 2] != b"\\u" or len(digits) < 4 or digits.strip(_HEX):
        return 0
    code = int(digits, 16)
    return code if 0xD800 <= code < 0xE000 else 0
