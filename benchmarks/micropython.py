"""Measures webhal's MicroPython port and its peers on a real 32-bit MicroPython, in one run:
`python benchmarks/micropython.py`; see benchmarks/README.md.

Here live the list of peers, the budgets and the measures: the smallest heap in which an application is answered
rightly, requests per second, idle clients, bytes of each module and feature. The applications are in boards/, what is
asked of them in clients.py, how they are run in simulated_board.py. The heap is that of an ESP8266 or ESP32, whose
words have 32 bits; the speed is this machine's, so only its ratios mean something.
"""

import argparse
import contextlib
import functools
import http.client
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from clients import APPLICATIONS, FORM, HELLO, JSON, REPEATS, Request, Wrong, ask, ask_all, connect
from pc import HOST, Unable, last_line, note, processor_seconds
from simulated_board import Build, Peer, Place, build, find_compilers, find_micropython, serving

T = TypeVar("T")

SMALLEST = 6 << 10  # bytes of heap, where the search begins
LARGEST = 512 << 10  # where it is given up; more than most boards have
STEP = 512  # how exact it is
ORDERS = 3  # of the requests, in each of which they must be answered
CONNECTIONS = 4  # an ESP8266's, and so many clients at most
IDLE_CLIENTS = 60
IDLE_ROOM = 4 << 10  # bytes of heap more than hello needs
COUNTED = 40  # idle keep-alive connections whose heap is divided by their number
WRK_CONNECTIONS = 8  # kept alive, and so many slots for them where a server has slots
ROUNDS = 3  # of load, in which the servers take turns

UHTTP = "uhttp/server.py"
PEERS = (
    Peer("webhal", ""),
    Peer("phew", "micropython-phew", ("machine", "network")),
    Peer("picoweb", "picoweb", ("pkg_resources",)),
    Peer("tinyweb", "tinyweb", ("logging",)),
    Peer("microdot", "microdot"),
    # The last without `selectors`, a module of CPython that MicroPython does not have.
    Peer(
        "uhttp",
        "uhttp-server<3",
        ("unix_select",),
        (
            (UHTTP, ".bind((address, port))", ".bind(_socket.getaddrinfo(address, port)[0][-1])"),
            (UHTTP, "import select as _select", "import unix_select as _select"),
        ),
    ),
)

KINDS = {"mpy": ".mpy in the heap", "rom": "ROMFS", "frozen": "frozen", "source": "source in the heap"}
COUNTS = (1, 4)  # clients at once


class Budget(NamedTuple):
    """KB of heap, for each of COUNTS."""

    most: tuple[float, float]
    aim: tuple[float, float] | None = None


HEAPS = {
    ("mpy", "hello"): Budget((18, 18.5)),
    ("mpy", "sensor"): Budget((31, 32), (27, 28)),
    ("mpy", "admin"): Budget((40, 42), (34, 36)),
    ("rom", "hello"): Budget((12.5, 13)),
    ("rom", "sensor"): Budget((17.5, 18), (16, 16.5)),
    ("rom", "admin"): Budget((21.5, 23), (19, 20)),
    ("frozen", "hello"): Budget((7.5, 8)),
    ("frozen", "sensor"): Budget((12, 13)),
    ("frozen", "admin"): Budget((16.5, 18.5)),
    ("source", "hello"): Budget((28, 28)),
    ("source", "sensor"): Budget((44, 44)),
}
CONNECTION_BYTES = 250
HELLO_RATE = 4.0  # times uhttp-server's requests
JSON_RATE = 2.5  # times every peer's
STALL = 20  # ms; two small writes in a row wait 40 for the acknowledgement of the first


# -- the smallest heap ---------------------------------------------------------------------------------


def smallest_heap(place: Place, peer: str, app: str, clients: int, start: int, orders: int) -> int:
    """Bytes, from `start` on, in which all clients are answered rightly. Raises Unable where nothing suffices."""
    reason = ""

    def suffices(heap: int, order: int) -> bool:
        nonlocal reason
        try:
            with serving(place, heap, f"{peer}_{app}", CONNECTIONS) as server:
                ask_all(server.port, APPLICATIONS[app], clients, order)
        except (Unable, Wrong) as error:
            reason = str(error)
            return False
        return True

    fails, enough, step = start - STEP, start, STEP
    while not suffices(enough, 0):
        if enough > LARGEST:
            raise Unable(reason)
        fails, enough, step = enough, enough + step, 2 * step
    while enough - fails > STEP:
        middle = (fails + enough) // (2 * STEP) * STEP
        if suffices(middle, 0):
            enough = middle
        else:
            fails = middle
    while not all(suffices(enough, order) for order in range(orders)):
        enough += STEP
    return enough


def smallest_heaps(place: Place, peer: str, app: str, counts: Sequence[int], orders: int) -> tuple[int, ...]:
    """For so many clients, ascending."""
    found: tuple[int, ...] = ()
    for clients in counts:
        found += (smallest_heap(place, peer, app, clients, found[-1] if found else SMALLEST, orders),)
    return found


# -- other measures ------------------------------------------------------------------------------------


def idle_clients(place: Place, peer: str, orders: int) -> int:
    """How many clients may connect and say nothing before another one is not answered."""
    heap = smallest_heap(place, peer, "hello", 1, SMALLEST, orders) + IDLE_ROOM
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(place, heap, f"{peer}_hello", CONNECTIONS))
        for count in range(IDLE_CLIENTS):
            try:
                with connect(server.port) as connection:
                    ask(connection, HELLO[0])
                stack.enter_context(socket.create_connection((HOST, server.port), timeout=1))
            except (Wrong, OSError):
                return count - 1
    return IDLE_CLIENTS


def bytes_per_idle_connection(place: Place, peer: str) -> float:
    """Heap that grows with keep-alive connections, each of which has had an answer."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(place, LARGEST, f"{peer}_features", 64, "nothing"))
        connections = [stack.enter_context(connect(server.port)) for _ in range(1 + COUNTED)]
        ask(connections[0], HELLO[0])
        before = heap_in_use(connections[0])
        for connection in connections[1:]:
            ask(connection, HELLO[0])
        return (heap_in_use(connections[0]) - before) / COUNTED


def heap_in_use(connection: http.client.HTTPConnection) -> int:
    """Of an application that tells it; the third time, when all that telling takes is there."""
    return [int(ask(connection, Request("GET", "/memory"))) for _ in range(3)][-1]


def rate(place: Place, peer: str, app: str, path: str, seconds: int) -> float:
    """Answered requests per second of the server's processor time. Raises Unable."""
    with serving(place, LARGEST, f"{peer}_{app}", WRK_CONNECTIONS) as server:
        wrk = ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds}s", f"http://{HOST}:{server.port}{path}"]
        before = processor_seconds(server.pid)
        done = subprocess.run(wrk, capture_output=True, text=True)
        taken = processor_seconds(server.pid) - before
    answered = int((re.search(r"(\d+) requests in", done.stdout) or [0, 0])[1])
    for errors in re.findall(r"Non-2xx.*|Socket errors.*", done.stdout):
        # Where an answer has no length but ends with the connection, wrk calls it a read error, too.
        closed = re.fullmatch(r"Socket errors: connect 0, read (\d+), write 0, timeout 0", errors)
        if not closed or abs(int(closed[1]) - answered) > WRK_CONNECTIONS:
            raise Unable(f"under load, {answered} answers: {errors}")
    if not answered:
        raise Unable("under load: " + last_line(done.stdout + done.stderr))
    return answered / taken


def milliseconds(place: Place, peer: str) -> list[float]:
    """That one client waits for admin's page, and for the answer that comes in pieces; medians."""
    waits: dict[str, list[float]] = {"/": [], "/log": []}
    with serving(place, LARGEST, f"{peer}_admin", CONNECTIONS) as server, connect(server.port) as connection:
        for path, taken in waits.items():
            for _ in range(REPEATS):
                start = time.monotonic()
                ask(connection, Request("GET", path))
                taken.append(1000 * (time.monotonic() - start))
    return [statistics.median(taken) for taken in waits.values()]


# -- what is in webhal's heap --------------------------------------------------------------------------

MEASURE = """
import gc
def used():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()
used()
before = used()
for name in %r:
    __import__(name)
    now = used()
    print(name, now - before)
    before = now
"""


def heap_of(micropython: str, folder: Path, modules: Sequence[str]) -> dict[str, int]:
    """Bytes of heap that each module keeps, imported in this order."""
    command = [micropython, "-X", "heapsize=1m", "-c", MEASURE % list(modules)]
    done = subprocess.run(command, env={"MICROPYPATH": ":.frozen"}, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Unable(last_line(done.stderr + done.stdout))
    return {name: int(size) for name, size in map(str.split, done.stdout.splitlines())}


def print_modules(place: Place, folder: Path) -> None:
    """webhal's modules with their bytes on flash and in the heap; an optional one's with all that it imports."""
    sizes = {}
    for file in sorted(folder.glob("webhal*/*.mpy")):
        sizes[f"{file.parent.name}.{file.stem}".removesuffix(".__init__")] = file.stat().st_size
    alone = {name: sum(heap_of(place.micropython, folder, [name]).values()) for name in sizes}
    with serving(place, LARGEST, "webhal_features", CONNECTIONS, "nothing") as server:
        with connect(server.port) as connection:
            loaded = ask(connection, Request("GET", "/modules")).decode().split()
    hot = sorted((name for name in sizes if name in loaded), key=lambda name: alone[name])  # what imports comes last
    heap = heap_of(place.micropython, folder, hot)
    print(f"\n{'what hello loads':42}{'.mpy':>8}{'heap':>8}")
    for name in hot:
        print(f"{name:42}{sizes[name]:>8,}{heap[name]:>8,}")
    print(f"{'in all':42}{sum(sizes[name] for name in hot):>8,}{sum(heap.values()):>8,}")
    print(f"\n{'loaded when used, with what it imports':42}{'.mpy':>8}{'heap':>8}")
    for name in sizes:
        if name not in hot:
            print(f"{name:42}{sizes[name]:>8,}{heap_of(place.micropython, folder, [*hot, name])[name]:>8,}")


FILES = {"Content-Type": "multipart/form-data; boundary=x"}
FILES_BODY = b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\n' + b"x" * 500 + b"\r\n--x--"

FEATURES = {  # of boards/webhal_features.py; what is asked of it
    "a page that is missing": ("missing", Request("GET", "/feature/1", status=404)),
    "parameters in a path": ("parameter", Request("GET", "/feature/1")),
    "a status, fields, bytes or a dict as the answer": ("response", Request("GET", "/feature/1", status=201)),
    "JSON received and sent": ("json", Request("POST", "/feature/1", b'{"name": 1}', JSON)),
    "a form": ("form", Request("POST", "/feature/1", b"name=a%20b", FORM)),
    "a query": ("query", Request("GET", "/feature/1?name=a")),
    "a cookie set": ("cookie", Request("GET", "/feature/1")),
    "hooks before and after requests": ("hooks", Request("GET", "/")),
    "events": ("events", Request("GET", "/")),
    "a body in pieces": ("pieces", Request("GET", "/feature/1")),
    "a page of 50 rows from a template": ("template", Request("GET", "/feature/1")),
    "async handlers": ("asynchronous", Request("GET", "/feature/1")),
    "a streamed upload": ("upload", Request("POST", "/feature/1", b"x" * 3000)),
    "a small form with files": ("files", Request("POST", "/feature/1", FILES_BODY, FILES)),
    "a form with files, streamed": ("streamed_files", Request("POST", "/feature/1", FILES_BODY, FILES)),
    "HEAD": ("nothing", Request("HEAD", "/")),
    "a refused request": ("nothing", Request("BREW", "/", status=501)),
}


def print_features(place: Place) -> None:
    """What an application has in use more than hello, once it has answered two requests for the feature."""

    def used(feature: str, request: Request) -> int:
        with serving(place, LARGEST, "webhal_features", CONNECTIONS, feature) as server:
            for _ in range(2):
                with connect(server.port) as connection:
                    ask(connection, request)
            with connect(server.port) as connection:
                return heap_in_use(connection)

    least = used("nothing", HELLO[0])
    print(f"\n{'what an application keeps that uses':50}{'heap':>8}")
    for what, (feature, request) in FEATURES.items():
        print(f"{what:50}{used(feature, request) - least:>8,}")


# -- the table -----------------------------------------------------------------------------------------


class Row(NamedTuple):
    what: str
    figures: dict[str, str]  # by peer
    budget: str = ""
    aim: str = ""
    verdict: str = ""


def print_row(row: Row, peers: Sequence[str]) -> None:
    others = "".join(f"{row.figures.get(peer, '-'):>12}" for peer in peers if peer != "webhal")
    own = row.figures.get("webhal", "-")
    print(f"{row.what:38}{own:>12}{row.budget:>12}{row.aim:>14}  {row.verdict:18}{others}".rstrip(), flush=True)


def measure(what: str, places: dict[str, Place], take: Callable[..., T], *arguments: object) -> dict[str, T]:
    """`take`'s result for each peer; where there is none, why not is said."""
    note(f"measuring {what}")
    found = {}
    for peer, place in places.items():
        try:
            found[peer] = take(place, peer, *arguments)
        except (Unable, Wrong) as reason:
            note(f"{peer}, {what}: {reason}")
    return found


def verdict(places: dict[str, Place], met: bool) -> str:
    return "" if "webhal" not in places else "met" if met else "MISSED"


def figures(format: Callable[[T], str], found: dict[str, T]) -> dict[str, str]:
    return {peer: format(value) for peer, value in found.items()}


def slashed(sizes: Sequence[float]) -> str:
    return "/".join(f"{size:g}" for size in sizes)


def heap_row(kind: str, app: str, places: dict[str, Place], options: argparse.Namespace) -> Row:
    what = f"{app}, {KINDS[kind]}"
    found = measure(what, places, smallest_heaps, app, options.clients, options.orders)
    budget = HEAPS[kind, app]

    def asked(limits: tuple[float, float]) -> list[float]:
        return [limits[COUNTS.index(clients)] for clients in options.clients]

    def keeps(limits: tuple[float, float]) -> bool:
        own = found.get("webhal", (LARGEST,) * len(options.clients))
        return all(heap <= 1024 * limit for heap, limit in zip(own, asked(limits), strict=True))

    met = verdict(places, keeps(budget.most))
    if budget.aim and keeps(budget.aim):
        met = "met, the aim, too"
    aim = f"({slashed(asked(budget.aim))})" if budget.aim else ""
    sizes = figures(lambda heaps: slashed([heap / 1024 for heap in heaps]), found)
    return Row(what, sizes, slashed(asked(budget.most)), aim, met)


def rate_row(
    what: str, app: str, path: str, least: float, places: dict[str, Place], options: argparse.Namespace
) -> Row:
    """webhal's requests a second of processor time, and how many times each peer's that is."""
    rounds = [measure(what, places, rate, app, path, options.seconds) for _ in range(ROUNDS)]
    rates = {peer: statistics.median(one[peer] for one in rounds if peer in one) for peer in rounds[-1]}
    own = rates.pop("webhal", 0)
    ratios = {peer: own / one for peer, one in rates.items()}
    shown = {"webhal": f"{own:,.0f}"} | figures("{:.2f} x".format, ratios)
    return Row(
        what, shown, f"≥ {least:g} x", "", verdict(places if ratios else {}, min(ratios.values(), default=0) >= least)
    )


def wait_row(places: dict[str, Place]) -> Row:
    what = "ms, page of 3 KB/20 KB in pieces"
    found = measure(what, places, milliseconds)
    met = max(found.get("webhal", [STALL])) < STALL
    return Row(what, figures("{0[0]:.1f}/{0[1]:.1f}".format, found), f"< {STALL}", "", verdict(places, met))


def idle_row(place: dict[str, Place], options: argparse.Namespace) -> Row:
    what = f"idle clients in hello's heap + {IDLE_ROOM >> 10} KB"
    found = measure(what, place, idle_clients, options.orders)
    return Row(what, figures(str, found), f"≥ {IDLE_CLIENTS}", "", verdict(place, IDLE_CLIENTS in found.values()))


def connection_row(place: dict[str, Place]) -> Row:
    what = "bytes of an idle connection"
    found = measure(what, place, bytes_per_idle_connection)
    met = found.get("webhal", LARGEST) <= CONNECTION_BYTES
    return Row(what, figures("{:.0f}".format, found), str(CONNECTION_BYTES), "", verdict(place, met))


def compare(builds: dict[str, Build], micropython: str, options: argparse.Namespace) -> None:
    compiled = {peer: Place(micropython, made.compiled) for peer, made in builds.items()}
    own = {peer: place for peer, place in compiled.items() if peer == "webhal"}
    places = {
        "mpy": compiled,
        "rom": {peer: Place(micropython, None, made.image) for peer, made in builds.items()},
        "frozen": {peer: Place(options.frozen) for peer in own if options.frozen},
        "source": {peer: Place(micropython, builds[peer].source) for peer in own},
    }
    show = functools.partial(print_row, peers=list(builds))
    show(Row("", {peer: peer for peer in builds}, "at most", "(aim)"))
    print(f"smallest heap, KB, {slashed(options.clients)} clients:")
    for kind, app in HEAPS:
        if kind in options.kinds and app in options.app and places[kind]:
            show(heap_row(kind, app, places[kind], options))
    if options.quick:
        return
    print("speed, .mpy; requests a second of processor time, and how many times a peer's that is:")
    hello = {peer: place for peer, place in compiled.items() if peer in ("webhal", "uhttp")}
    show(rate_row("hello", "hello", "/", HELLO_RATE, hello, options))
    show(rate_row("sensor, GET of JSON", "sensor", "/api", JSON_RATE, compiled, options))
    show(wait_row(compiled))
    if own:
        print("with many clients, .mpy:")
        show(idle_row(own, options))
        show(connection_row(own))
        print_features(own["webhal"])
        print_modules(own["webhal"], builds["webhal"].compiled)


def write_manifest(folder: Path, programs: Path) -> None:
    """webhal and its applications, with a manifest.py for the unix port's make."""
    with tempfile.TemporaryDirectory() as work:
        made = build(PEERS[0], programs, Path(work))
        shutil.copytree(made.source, folder / "modules")
    (folder / "manifest.py").write_text('include("$(MPY_DIR)/extmod/asyncio")\nfreeze("modules", opt=3)\n')


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure webhal's MicroPython port and its peers")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--app", nargs="+", choices=APPLICATIONS, default=list(APPLICATIONS), help="applications")
    parser.add_argument("--from", nargs="+", choices=KINDS, default=list(KINDS), dest="kinds", help="where code lies")
    parser.add_argument("--clients", nargs="+", type=int, choices=COUNTS, default=COUNTS, help="at once")
    parser.add_argument("--quick", action="store_true", help="smallest heaps only, in one order of the requests")
    parser.add_argument("--frozen", metavar="EXECUTABLE", help="a 32-bit MicroPython in which all is frozen")
    parser.add_argument(
        "--checkouts",
        type=Path,
        metavar="FOLDER",
        help="for peers that PyPI does not have: FOLDER/tinyweb is its checkout",
    )
    parser.add_argument("--freeze", type=Path, metavar="FOLDER", help="only write what EXECUTABLE is to have frozen")
    parser.add_argument("--seconds", type=int, default=3, metavar="N", help="of load in each round; default: 3")
    options = parser.parse_args()
    options.clients = sorted(set(options.clients))
    options.orders = 1 if options.quick else ORDERS
    return options


def main() -> int:
    options = arguments()
    try:
        if not shutil.which("wrk"):
            raise Unable("wrk is missing: apt install wrk")
        micropython = find_micropython()
        programs = find_compilers()
        if options.freeze:
            write_manifest(options.freeze, programs)
            return 0
        with tempfile.TemporaryDirectory() as work:
            builds = {}
            for peer in PEERS:
                if peer.name in options.only:
                    try:
                        builds[peer.name] = build(peer, programs, Path(work), options.checkouts)
                    except Unable as reason:
                        print(f"{peer.name} is left out: {reason}")
            compare(builds, micropython, options)
    except Unable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
