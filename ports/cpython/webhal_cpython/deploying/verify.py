"""A request to the board that was deployed to: the proof that it serves."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Board
from webhal_cpython.deploying.console import expect_running, plain

_PATIENCE_S = 20  # from the address to the first answer
_REQUEST_S = 5
_PAUSE_S = 0.3  # between two tries
_MOST = 65536  # bytes that are read of an answer, or remembered of what the board says
_IN_PATH = "/?%!$&'()*+,:;=@~"  # sent as they are (RFC 3986, 3.3 and 3.4); the % of a path that is escaped already too


class OutOfMemory(DeployError):
    """The board serves, but has not the memory for this."""


def url(address: str, port: int, path: str = "/") -> str:
    """Where to fetch `path`, with a query or without; `address` may name a port itself."""
    host = address if ":" in address or port == 80 else f"{address}:{port}"
    return f"http://{host}/{urllib.parse.quote(path.removeprefix('/'), _IN_PATH)}"


def probe(where: str, board: Board) -> str:
    """What the board answered, in words. Raises DeployError when it does not, or with a server's error."""
    said = b""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with opener.open(where, timeout=_REQUEST_S) as answer:
                return f"{answer.status} {answer.reason}, {len(answer.read(_MOST))} bytes"
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 503:
                    raise OutOfMemory(f"{where} answers 503: memory is short") from error
                if error.code >= 500:
                    raise DeployError(f"{where} answers {error.code} {error.reason}") from error
                return f"{error.code} {error.reason}: it serves, though not this; --probe names another path"
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > give_up:
                reason = getattr(error, "reason", error)
                raise DeployError(
                    f"{where} does not answer ({reason}); is this computer in the same network as the board?"
                ) from error
            said = (said + board.hear(_PAUSE_S))[-_MOST:]
            expect_running(plain(said), board.target)
