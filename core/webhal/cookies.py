"""Setting cookies (RFC 6265, 4.1), loaded when used. Reading them is in request.py."""

from webhal.response import TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.response import Response


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
    if not name or name.strip(TOKEN):
        raise ValueError("not a cookie's name: " + repr(name))
    for text in (value, path, domain):
        # As bytes, because MicroPython keeps every character over which it iterates in a str.
        if text.strip() != text or any(byte < 32 or byte in b';,"\\\x7f' for byte in text.encode()):
            raise ValueError("not to be put in a cookie: " + repr(text))
    if same_site not in ("Lax", "Strict", "None", "") or (same_site == "None" and not secure):
        raise ValueError("same_site is Lax, Strict, \"\", or, of a secure cookie, None, not " + repr(same_site))
    parts = ["%s=%s" % (name, value), "Path=" + path]
    if domain:
        parts.append("Domain=" + domain)
    if max_age is not None:
        parts.append("Max-Age=%d" % max_age)
    if same_site:
        parts.append("SameSite=" + same_site)
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    earlier = response.headers.get("Set-Cookie", [])
    response.headers["Set-Cookie"] = (earlier if isinstance(earlier, list) else [earlier]) + ["; ".join(parts)]
