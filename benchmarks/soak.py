"""Has webhal serve an application for long in a board's heap: `python benchmarks/soak.py`; see benchmarks/README.md.

Here live the load, and what counts as a fault: an answer that is not the right one, cut, or none at all. The
application is boards/webhal_soak.py. What has to be tested, not measured, is in tests/micropython.
"""

import argparse
import collections
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clients import FORM, JSON, KEY, Request, Wrong, ask, connect
from pc import Unable
from simulated_board import Build, Peer, Place, Server, build, find_compilers, find_micropython, serving

CONNECTIONS = 4  # an ESP8266's
HELD = {"rom": 36, "mpy": 44}  # KB of heap in which nothing may go wrong
REST_SECONDS = 3  # after which each request is answered again, however short memory was
GIVEN_UP = 10  # requests of a client in a row without an answer: the server is gone

# What a browser sends to a board, whose origin is not one that it calls secure.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
    "Cache-Control": "max-age=0",
    "Connection": "keep-alive",
    "Cookie": "theme=dark; session=3f6c0d5e9a7b",
    "Referer": "http://192.168.1.50/",
    "Upgrade-Insecure-Requests": "1",
}
FILES = {
    "index.html": "".join(f"<p>Line {number} of a page that lies in a file</p>\n" for number in range(10, 110)),
    "script.js": "".join(f"console.log('line {number} of a script in a file');\n" for number in range(100, 260)),
}
REQUESTS = [
    Request("GET", "/", answer=FILES["index.html"], fields={"Content-Type": "text/html"}),
    Request("GET", "/script.js", answer=FILES["script.js"], fields={"Content-Type": "text/javascript"}),
    Request("GET", "/api", answer={"level": 7}),
    Request("POST", "/api", b'{"level": 12}', JSON, answer={"level": 12}),
    Request("POST", "/api", b'{"level": 101}', JSON, status=400),
    Request("POST", "/api", b"level", JSON, status=400),
    Request("GET", "/pin/5", answer={"pin": 5, "on": True}),
    Request("GET", "/search?text=a%20b", answer="Found a b"),
    Request("GET", "/admin/settings", status=401),
    Request("GET", "/admin/settings", headers=KEY),
    Request("POST", "/admin/settings", b"name=a+lamp&level=3", KEY | FORM, 303, fields={"Location": "/admin/settings"}),
    Request("GET", "/favicon.ico", status=404, answer="No such page: /favicon.ico"),
]
REQUESTS = [request._replace(headers=BROWSER | request.headers) for request in REQUESTS]
KINDS = ("503", "cut", "none", "other")  # of faults


def load(server: Server, clients: int, requests: int, seed: int) -> "collections.Counter[str]":
    """Have all clients send so many requests together; how many faults there were, by kind."""

    def client(number: int) -> Iterator[str]:
        chosen = random.Random(f"{seed} {number}")
        unanswered = 0
        with connect(server.port) as connection:
            for _ in range(requests // clients):
                try:
                    ask(connection, chosen.choice(REQUESTS))
                    unanswered = 0
                except Wrong as wrong:
                    yield wrong.kind
                    unanswered = unanswered + 1 if wrong.kind == "none" else 0
                if unanswered == GIVEN_UP:
                    return

    faults: "collections.Counter[str]" = collections.Counter()
    with ThreadPoolExecutor(clients) as pool:
        for found in pool.map(lambda number: list(client(number)), range(clients)):
            faults.update(found)
    return faults


def ask_once(server: Server) -> list[str]:
    """What goes wrong with each request, asked once."""
    reasons = []
    with connect(server.port) as connection:
        for request in REQUESTS:
            try:
                ask(connection, request)
            except Wrong as wrong:
                reasons.append(str(wrong))
    return reasons


def soak(place: Place, kind: str, heap: int, seed: int, options: argparse.Namespace) -> bool:
    """One line about one run; whether it went as it must."""
    start = time.monotonic()
    try:
        with serving(place, heap << 10, "webhal_soak", CONNECTIONS) as server:
            faults = load(server, options.clients, options.requests, seed)
            seconds = time.monotonic() - start
            time.sleep(REST_SECONDS)
            afterwards = ask_once(server)
    except Unable as reason:
        print(f"{kind:6}{heap:>4} KB{seed:>6}  {reason}", flush=True)
        return heap < HELD[kind]
    counts = "".join(f"{faults[fault]:>8}" for fault in KINDS)
    last = afterwards[0] if afterwards else "all"
    print(f"{kind:6}{heap:>4} KB{seed:>6}{counts}{seconds:>8.0f} s  {last}", flush=True)
    short = heap < HELD[kind]  # then a 503 is what a client may get
    return not afterwards and not any(faults[fault] for fault in KINDS if fault != "503" or not short)


def place_of(made: Build, micropython: str, kind: str) -> Place:
    """With an image, the working folder has the pages alone: modules that lay there too would be found first."""
    folder = made.compiled if kind == "mpy" else made.image.with_name("pages")
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return Place(micropython, folder, made.image if kind == "rom" else None)


def main() -> int:
    parser = argparse.ArgumentParser(description="have webhal serve for long in a board's heap")
    parser.add_argument("--from", nargs="+", choices=HELD, default=list(HELD), dest="kinds", help="where code lies")
    parser.add_argument("--heaps", nargs="+", type=int, metavar="KB", help="default: 36 from ROMFS, 44 from .mpy")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], metavar="N", help="of the orders of the requests")
    parser.add_argument("--requests", type=int, default=8000, metavar="N", help="of all clients; default: 8000")
    parser.add_argument("--clients", type=int, default=CONNECTIONS, metavar="N", help="at once; default: 4")
    options = parser.parse_args()
    try:
        micropython = find_micropython()
        with tempfile.TemporaryDirectory() as work:
            made = build(Peer("webhal", ""), find_compilers(), Path(work))
            names = "".join(f"{fault:>8}" for fault in KINDS)
            print(f"{'':6}{'heap':>7}{'seed':>6}{names}{'took':>10}  answered {REST_SECONDS} s later")
            right = True
            for kind in options.kinds:
                for heap in options.heaps or [HELD[kind]]:
                    for seed in options.seeds:
                        right &= soak(place_of(made, micropython, kind), kind, heap, seed, options)
    except Unable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
