"""Clients of the simulated boards: what they ask of an application, and what they must get.

Here live the requests of the three applications and how an answer is judged; how many are sent, by how many clients, in
which order. The servers' processes are in simulated_board.py.
"""

import contextlib
import http.client
import json
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from pc import HOST

PAGE = (Path(__file__).resolve().parent / "boards/page.html").read_text()
ANSWER_SECONDS = 5  # a server that takes longer does not serve
REPEATS = 20  # of each request, by each client


class Wrong(Exception):
    """An answer that is not right: `kind` is "503", "cut", "none" or "other"."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Request(NamedTuple):
    """A request, and what its answer must have."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = {}
    status: int = 200
    answer: "str | dict[str, Any] | None" = None  # a text, values of a JSON object among others, or anything
    fields: dict[str, str] = {}  # with which the answer's begin


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
KEY = {"X-Key": "1234"}
LOG = "".join(f"{number:05d}\n" * 85 for number in range(40))  # 20 KB

HELLO = [Request("GET", "/", answer="Hello, world!")]
SENSOR = [
    Request("GET", "/", answer=PAGE, fields={"Content-Type": "text/html"}),
    Request("GET", "/api", answer={"temperature": 21.5, "humidity": 48}, fields={"Content-Type": "application/json"}),
    Request("POST", "/api", b'{"level": 7}', JSON, answer={"level": 7}),
    Request("GET", "/pin/5", answer={"pin": 5, "on": True}),
    Request("GET", "/pin/12", answer={"pin": 12, "on": False}),
    Request("GET", "/favicon.ico", status=404, answer="No such page: /favicon.ico"),
]
ADMIN = [
    *SENSOR,
    Request("HEAD", "/", answer="", fields={"Content-Type": "text/html"}),
    Request("GET", "/admin/name", status=401),
    Request("GET", "/admin/name", headers=KEY, answer={"name": "A lamp & co."}),
    Request("POST", "/admin/name", b"name=A+lamp+%26+co.", KEY | FORM, status=303, fields={"Location": "/admin/name"}),
    Request("GET", "/visits", answer="Visit 1", fields={"Set-Cookie": "visits=1"}),
    Request("GET", "/visits", headers={"Cookie": "theme=dark; visits=4"}, answer="Visit 5"),
    Request("POST", "/api", b'{"level": "x"}', JSON, status=422, answer={"error": "not a number"}),
    Request("GET", "/log", answer=LOG),
]
APPLICATIONS = {"hello": HELLO, "sensor": SENSOR, "admin": ADMIN}


def ask(connection: http.client.HTTPConnection, request: Request) -> bytes:
    """The body of the right answer. Raises Wrong for any other."""
    what = f"{request.method} {request.path}"
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Wrong("none", f"{what}: no answer: {error!r}") from None
    try:
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Wrong("cut", f"{what}: {response.status}, cut: {error!r}") from None
    if response.status != request.status:
        raise Wrong("503" if response.status == 503 else "other", f"{what}: {response.status} {body[:80]!r}")
    for name, value in request.fields.items():
        if not response.headers.get(name, "").startswith(value):
            raise Wrong("other", f"{what}: {name} is {response.headers.get(name)!r}")
    if not _is_right(body, request.answer):
        cut = isinstance(request.answer, str) and request.answer.encode().startswith(body)
        raise Wrong("cut" if cut else "other", f"{what}: {len(body)} bytes, {body[:80]!r}")
    return body


def _is_right(body: bytes, answer: "str | dict[str, Any] | None") -> bool:
    if isinstance(answer, dict):
        try:
            value = json.loads(body)
        except ValueError:
            return False
        return isinstance(value, dict) and answer.items() <= value.items()
    return answer is None or body == answer.encode()


def connect(port: int) -> "contextlib.closing[http.client.HTTPConnection]":
    return contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS))


def ask_all(port: int, requests: Sequence[Request], clients: int, seed: object) -> None:
    """Have each of the clients send each request so many times, in an order of its own. Raises Wrong for the first."""
    failed = threading.Event()

    def client(number: int) -> None:
        order = list(requests) * REPEATS
        random.Random(f"{seed} {number}").shuffle(order)
        with connect(port) as connection:
            for request in order:
                if failed.is_set():
                    return
                try:
                    ask(connection, request)
                except Wrong:
                    failed.set()
                    raise

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, number) for number in range(clients)]:
            done.result()
