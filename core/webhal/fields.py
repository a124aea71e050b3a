"""Response fields that are more than a value: Set-Cookie (RFC 6265, 4.1), Location; loaded when used.

Cookies are read in request.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.response import Response


def redirect(url: str, status: int = 302) -> "Response":
    """A response that sends the client to `url`: 301, 302, 303, 307 or 308.

    What no URL may have is percent-encoded (RFC 3986, 2); what is so already stays.
    """
    if sys.implementation.name == "cpython":
        if not isinstance(url, str):
            raise webhal.mistakes.value("url", url)
    if status not in (301, 302, 303, 307, 308):
        raise webhal.mistakes.value("redirect", status)
    location = b""
    for byte in url.encode():
        location += b"%%%02X" % byte if not 32 < byte < 127 or byte in b'"<>\\^`{|}' else b"%c" % byte
    return webhal.response.Response(b"", status, {"Location": str(location, "utf-8")})


def set_cookie(
    response: "Response",
    name: str,
    value: str,
    max_age: "int | None" = None,
    path: str = "/",
    domain: str = "",
    secure: bool = False,
    http_only: bool = True,
    same_site: str = "Lax",
) -> None:
    """Add a Set-Cookie field; `max_age` in seconds, 0 to delete, None until the browser closes.

    Raises ValueError for what a cookie cannot carry, or browsers do not keep.
    """
    if sys.implementation.name == "cpython":
        if not isinstance(name, str):
            raise webhal.mistakes.value("cookies", name)
        for given in (value, path, domain):
            if not isinstance(given, str):
                raise webhal.mistakes.value("set_cookie", given)
        if max_age is not None and not isinstance(max_age, int):
            raise webhal.mistakes.value("max_age", max_age)
    if not name or name.strip(webhal.response.TOKEN):
        raise webhal.mistakes.value("cookies", name)
    for text in (value, path, domain):
        fits = text.strip() == text
        for byte in text.encode():  # because MicroPython keeps every character over which it iterates in a str
            fits = fits and byte > 31 and byte not in b';,"\\\x7f'
        if not fits:
            raise webhal.mistakes.value("set_cookie", text)
    if same_site != "" and same_site not in "Lax Strict None".split() or (same_site == "None" and not secure):
        raise webhal.mistakes.value("same_site", same_site)
    field = "%s=%s; Path=%s" % (name, value, path)
    if domain:
        field += "; Domain=" + domain
    if max_age is not None:
        field += "; Max-Age=%d" % max_age
    if same_site:
        field += "; SameSite=" + same_site
    if secure:
        field += "; Secure"
    if http_only:
        field += "; HttpOnly"
    earlier = response.headers.get("Set-Cookie", [])
    response.headers["Set-Cookie"] = ([earlier] if isinstance(earlier, str) else list(earlier)) + [field]
