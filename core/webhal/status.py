"""Reason phrases of status codes (RFC 9110, 15; RFC 6585), loaded when a response is not a plain 200."""

_PHRASES = (
    b"200 OK\n201 Created\n202 Accepted\n204 No Content\n205 Reset Content\n206 Partial Content\n"
    b"301 Moved Permanently\n302 Found\n303 See Other\n304 Not Modified\n307 Temporary Redirect\n"
    b"308 Permanent Redirect\n400 Bad Request\n401 Unauthorized\n403 Forbidden\n404 Not Found\n"
    b"405 Method Not Allowed\n406 Not Acceptable\n408 Request Timeout\n409 Conflict\n410 Gone\n"
    b"411 Length Required\n412 Precondition Failed\n413 Content Too Large\n414 URI Too Long\n"
    b"415 Unsupported Media Type\n416 Range Not Satisfiable\n417 Expectation Failed\n"
    b"422 Unprocessable Content\n426 Upgrade Required\n428 Precondition Required\n429 Too Many Requests\n"
    b"431 Request Header Fields Too Large\n500 Internal Server Error\n501 Not Implemented\n502 Bad Gateway\n"
    b"503 Service Unavailable\n504 Gateway Timeout\n505 HTTP Version Not Supported\n"
)


def phrase(status: int) -> str:
    """The reason phrase of `status`, "" for one without (a client must not mind: RFC 9112, 4)."""
    start = _PHRASES.find(b"%d " % status)
    return "" if start < 0 else _PHRASES[start + 4 : _PHRASES.find(b"\n", start)].decode()
