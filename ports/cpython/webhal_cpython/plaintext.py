"""What a client that speaks plain HTTP gets from a server of HTTPS: a 400 on the same port, a 308 on one beside it.

Both are preparations (admission.py) that answer by themselves and send the client away. TLS is in tls.py.
"""

import re
from collections.abc import Generator
from email.utils import formatdate

import webhal
from webhal import HTTPError
from webhal_cpython.admission import READ, Arrival, Preparation, Wanted, linger
from webhal_cpython.serving import Reader

_MOST = 16384  # bytes of a request's head, as in network.py


def refuse(arrival: Arrival) -> Generator[Wanted, None, None]:
    """The client has begun without TLS."""
    return _answer(arrival, 400, "this port is for HTTPS: the address begins with https://")


def redirect(port: int) -> Preparation:
    """The preparation that sends each client to HTTPS on `port`.

    Host and target stay, and with a 308 method and body too (RFC 9110, 15.4.9). What is no request gets what a server
    would say.
    """

    def prepare(arrival: Arrival) -> Generator[Wanted, None, None]:
        reader = Reader()
        try:
            while not (request := reader.next_request(_MOST)):
                try:
                    data = arrival.socket.recv(_MOST)
                except BlockingIOError:
                    yield READ
                else:
                    if not data:
                        raise ConnectionAbortedError
                    reader.feed(data)
            host = re.sub(":[0-9]*$", "", request.headers.get("host", ""))
            if not host or not request.target.startswith("/"):
                raise HTTPError(400, "only a host and a path can be redirected")
        except HTTPError as error:
            yield from _answer(arrival, error.status, error.message)
        else:
            place = f"https://{host}:{port}".removesuffix(":443") + request.target
            yield from _answer(arrival, 308, place, f"Location: {place}\r\n")

    return prepare


def _answer(arrival: Arrival, status: int, text: str, fields: str = "") -> Generator[Wanted, None, None]:
    """Say so, and see the client out."""
    head = (
        f"HTTP/1.1 {status} {webhal.response.phrase(status)}\r\nDate: {formatdate(usegmt=True)}\r\n{fields}"
        f"Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text) + 1}\r\n\r\n"
    )
    arrival.socket.send(f"{head}{text}\n".encode("latin-1"))  # a new connection takes more than that at once
    return linger(arrival)
