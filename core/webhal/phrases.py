"""Reason phrases (RFC 9110, 15; RFC 6585) of statuses that few applications answer; the others are in response.py."""

PHRASES = (
    "202 Accepted\n205 Reset Content\n206 Partial Content\n301 Moved Permanently\n307 Temporary Redirect\n"
    "308 Permanent Redirect\n406 Not Acceptable\n408 Request Timeout\n409 Conflict\n410 Gone\n"
    "412 Precondition Failed\n414 URI Too Long\n"
    "416 Range Not Satisfiable\n417 Expectation Failed\n429 Too Many Requests\n431 Request Header Fields Too Large\n"
    "426 Upgrade Required\n501 Not Implemented\n505 HTTP Version Not Supported\n"
)
