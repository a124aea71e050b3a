"""Text that a client sent as bytes: UTF-8, JSON, and percent-escapes; loaded when a client, or a handler, uses one."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.http import Request

_HEX = b"0123456789abcdefABCDEF"


def attribute(request: "Request", name: str) -> object:
    """request.text, or request.json. Raises HTTPError(400) where the body is neither."""
    text = decode(request.body)
    if name == "text":
        return text
    import json

    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
        raise webhal.errors.HTTPError(400, "malformed JSON") from None


def decode(data: bytes) -> str:
    """UTF-8 text. Raises HTTPError(400) for anything else."""
    try:
        return str(data, "utf-8")
    except UnicodeError:
        raise webhal.errors.HTTPError(400, "not UTF-8") from None


def unquote(text: str) -> str:
    """`text` with percent-escapes decoded, once (RFC 3986, 2.1). Raises HTTPError(400) for a bad escape."""
    parts = text.encode().split(b"%")
    whole = [parts[0]]
    for part in parts[1:]:
        if len(part) < 2 or part[:2].strip(_HEX):
            raise webhal.errors.HTTPError(400, "malformed percent-escape")
        whole.append(bytes((int(part[:2], 16),)))
        whole.append(part[2:])
    return decode(b"".join(whole))
