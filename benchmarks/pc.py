"""Measures webhal against its peers on this PC, in one run: `python benchmarks/pc.py`; see benchmarks/README.md.

Here live the lists of peers and their settings, of cases and of budgets, the load, and the measure, which is the
processor time that the server's whole process tree takes per answered request. The applications are in apps/. The
board side is not measured here.
"""

import argparse
import contextlib
import functools
import http.client
import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_SECONDS = 15  # for a server to answer for the first time
DISTURBING = 0.05  # share of the cores' time that other programs may take before the figures are in doubt
STOP_SECONDS = 5  # for a server to leave after SIGTERM, before SIGKILL


class Unable(Exception):
    """Says in one line why something cannot be measured."""


class Peer(NamedTuple):
    name: str
    package: str  # whose version is shown
    needs: tuple[str, ...]  # what pip installs
    command: tuple[str, ...]  # a program of the environment and its arguments; {port}, {certificate} are filled in


# One process and one thread of Python each, no access log, and the event loop and parser that each recommends.
GRANIAN = ("granian", "--host", HOST, "--port", "{port}", "--http", "1", "--loop", "uvloop", "--no-ws", "--no-log")
UVICORN = (
    "uvicorn", "--host", HOST, "--port", "{port}", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
    "--log-level", "warning",
)  # fmt: skip
CHECKOUT = ("--force-reinstall", "--no-deps", str(HERE.parent))  # as it is now, whatever its version says


def webhal(app: str, name: str = "webhal", needs: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> Peer:
    command = ("webhal", "run", app, "--host", HOST, "--port", "{port}", "--no-access-log", *options)
    return Peer(name, "webhal", (*CHECKOUT, *needs), command)


def starlette(app: str) -> Peer:
    return Peer("starlette", "starlette", ("starlette", "uvicorn[standard]"), (*UVICORN, app))


PEERS = (
    webhal("webhal_app.py"),
    Peer("fastwsgi", "fastwsgi", ("fastwsgi", "setuptools<81"), ("python", "fastwsgi_app.py", "{port}")),
    Peer("socketify", "socketify", ("socketify",), ("python", "socketify_app.py", "{port}")),
    Peer("granian-rsgi", "granian", ("granian[uvloop]",), (*GRANIAN, "--interface", "rsgi", "rsgi_app:app")),
    Peer("granian-asgi", "granian", ("granian[uvloop]",), (*GRANIAN, "--interface", "asginl", "asgi_app:app")),
    Peer("uvicorn", "uvicorn", ("uvicorn[standard]",), (*UVICORN, "asgi_app:app")),
    starlette("starlette_app:app"),
    # As ASGI, of the checkout that is installed for webhal.
    Peer("webhal-asgi", "uvicorn", ("uvicorn[standard]",), (*UVICORN, "webhal_asgi_app:app")),
    Peer("aiohttp", "aiohttp", ("aiohttp", "uvloop"), ("python", "aiohttp_app.py", "{port}")),
    Peer("microdot", "microdot", ("microdot",), ("python", "microdot_app.py", "{port}")),
)
# A hook makes webhal's way of every request another, so it has applications of its own.
HOOKED = (webhal("webhal_hook_app.py"), starlette("starlette_hook_app:app"))
TLS = (
    webhal("webhal_app.py", options=("--cert", "{certificate}")),
    Peer("uvicorn", "uvicorn", ("uvicorn[standard]",), (*UVICORN, "--ssl-certfile", "{certificate}", "asgi_app:app")),
)
ASYNC = (webhal("webhal_async_app.py"), webhal("webhal_app.py", "webhal-sync"), starlette("starlette_app:app"))

MOUNTED = webhal("webhal_mounts_app.py", needs=("uvloop",))
ASGI = (MOUNTED, Peer("uvicorn", "uvicorn", ("uvicorn[standard]",), (*UVICORN, "mounted_app:asgi")))
GUNICORN = ("gunicorn", "--bind", HOST + ":{port}", "mounted_app:wsgi")
WSGI = (
    MOUNTED,
    Peer("gunicorn-sync", "gunicorn", ("gunicorn",), GUNICORN),
    Peer("gunicorn-gthread", "gunicorn", ("gunicorn",), (*GUNICORN, "--worker-class", "gthread", "--threads", "32")),
)


class Case(NamedTuple):
    name: str
    peers: tuple[Peer, ...]
    path: str
    answer: re.Pattern[bytes]
    fields: Mapping[str, str] = {}
    bare: int = 200  # the status without these fields
    body: bytes | None = None  # of a POST
    script: str = ""  # wrk's
    scheme: str = "http"


HELLO = re.compile(rb"Hello, world!")
USER = re.compile(rb'\{"id": ?42, ?"name": ?"user 42"\}')
ECHOED = b"0123456789abcdef" * 64  # as in echo.lua
CASES = (
    Case("hello", PEERS, "/", HELLO),
    Case("headers", PEERS, "/", HELLO, script="headers.lua"),
    Case("json", PEERS, "/users/42", USER),
    Case("hook", HOOKED, "/users/42", USER, {"X-Key": "1234"}, 401),
    Case("echo", PEERS, "/echo", re.compile(ECHOED), body=ECHOED, script="echo.lua"),
    Case("async", ASYNC, "/", HELLO),
    Case("asgi", ASGI, "/asgi", HELLO),
    Case("wsgi", WSGI, "/wsgi", HELLO),
    Case("tls", TLS, "/", HELLO, scheme="https"),
)
CLOSING = Case("closing", PEERS[:1], "/", HELLO, {"Connection": "close"})
CONNECTIONS = (1, 32, 256)

# (case, peer, what webhal may cost at most, as a multiple of the peer), all with 32 connections
BUDGETS = (
    ("hello", "fastwsgi", 1.2),
    ("hello", "uvicorn", 0.5),
    ("hello", "starlette", 0.3),
    ("headers", "fastwsgi", 1.2),
    ("headers", "uvicorn", 0.5),
    ("headers", "starlette", 0.3),
    ("json", "fastwsgi", 1.3),
    ("json", "starlette", 0.35),
    ("hook", "starlette", 0.4),
    ("echo", "fastwsgi", 2),
    ("echo", "starlette", 0.4),
    ("async", "webhal-sync", 1.5),
    ("asgi", "uvicorn", 1),
    ("wsgi", "gunicorn-sync", 1),
    ("wsgi", "gunicorn-gthread", 1),
    ("tls", "uvicorn", 0.7),
)


class Clients(NamedTuple):
    """Clients of webhal_waiting_app.py that stay without a further answer."""

    name: str
    request: bytes
    answer: bytes = b""  # that each has had before
    memory: int | None = None  # bytes that the server may have for each


IDLE = Clients("idle", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"Hello, world!", 2048)
WAITING = (
    Clients("sleeping", b"GET /sleep HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    Clients("uploading", b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegin"),
    Clients("waiting for an event", b"GET /event HTTP/1.1\r\nHost: localhost\r\n\r\n"),
)
BESIDE = 1.1  # a request beside them costs at most so many times what it costs alone


class Figures(NamedTuple):
    cpu: float  # microseconds of the process tree per answered request
    rate: float  # answered requests per second
    others: float  # share of the two cores' time that other programs took
    failed: int  # requests, or tries to connect, without an answer


class Result(NamedTuple):
    """Medians over the rounds, and the range of the first, which tells how far to trust it."""

    cpu: float
    rate: float
    least: float
    most: float
    others: float
    failed: int  # at most in a round


Results = dict[str, Result | None]  # by what is in the table; None where it fails


# -- the environment ---------------------------------------------------------------------------------


def environment() -> Path:
    """The folder of programs of a virtual environment that is kept for this; made when missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = cache / "webhal" / "benchmarks" / "{}.{}".format(*sys.version_info)
    programs = root / "bin"
    if not (programs / "pip").exists():
        note(f"creating {root}")
        venv.create(root, with_pip=True)
    return programs


@functools.cache
def install(programs: Path, needs: tuple[str, ...]) -> None:
    pip = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *needs]
    done = subprocess.run(pip, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unable("not installed: " + (last_line(done.stdout, "ERROR") or f"pip exit code {done.returncode}"))


@functools.cache
def certificate(programs: Path) -> Path:
    """A file with a certificate and its key (ECDSA, P-256)."""
    path = programs.parent / "certificate.pem"
    if not path.exists():
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost")
        make = ["openssl", "req", "-x509", *kind, "-days", "3650", "-keyout", str(path), "-out", str(path)]
        subprocess.run(make, check=True, stderr=subprocess.DEVNULL)
    return path


def version(programs: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run(
        [programs / "python", "-c", code], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


# -- servers -----------------------------------------------------------------------------------------


class Server:
    """A server process that answers on a port and runs on a core of its own."""

    def __init__(self, pid: int, port: int, core: int):
        self.pid = pid
        self.port = port
        self.core = core

    def check(self, case: Case) -> None:
        """Raise Unable unless the server gives the case's answer, and refuses what lacks the case's fields."""
        status, body = self.ask(case, case.fields)
        if status == 200 and case.answer.fullmatch(body):
            status, body = self.ask(case, {})
            if status == case.bare:
                return
        raise Unable(f"wrong answer: {status}, {body[:60]!r}")

    def ask(self, case: Case, fields: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        if case.scheme == "https":
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(HOST, self.port, timeout=5, context=context)
        try:
            connection.request("POST" if case.body else "GET", case.path, case.body, fields)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unable(f"no answer: {error!r}") from None
        finally:
            connection.close()

    def load(self, case: Case, connections: int, seconds: int) -> Figures:
        """Load the server with wrk, on the core of this process, and say what a request cost."""
        wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        if case.script:
            wrk += ["-s", str(HERE / case.script)]
        for name, value in case.fields.items():
            wrk += ["-H", f"{name}: {value}"]
        wrk.append(f"{case.scheme}://{HOST}:{self.port}{case.path}")
        cores = {self.core, *os.sched_getaffinity(0)}
        began, all_before = time.monotonic(), busy_seconds(cores)
        own_before, wrk_before = processor_seconds(self.pid), waited_seconds()
        done = subprocess.run(wrk, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        spent = processor_seconds(self.pid) - own_before
        others = busy_seconds(cores) - all_before - spent - (waited_seconds() - wrk_before)
        share = max(0.0, others) / len(cores) / (time.monotonic() - began)
        total = re.search(r"(\d+) requests in", done.stdout)
        rate = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
        refused = re.search(r"Non-2xx.*", done.stdout)
        errors = re.search(r"Socket errors:.*", done.stdout)
        if refused or not total or not rate or not int(total[1]):
            raise Unable("under load: " + (refused[0] if refused else last_line(done.stdout) or "no answer"))
        failed = sum(map(int, re.findall(r"\d+", errors[0]))) if errors else 0
        return Figures(spent / int(total[1]) * 1e6, float(rate[1]), share, failed)

    def settle(self) -> None:
        """Wait until the server has seen that the last load's clients have left."""
        for _ in range(START_SECONDS * 20):
            if len(os.listdir(f"/proc/{self.pid}/fd")) < 32:
                return
            time.sleep(0.05)
        raise Unable(f"connections of clients that have left are open after {START_SECONDS} s")

    def resident(self) -> int:
        """Bytes of the server's process in memory."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(text.partition("Rss:")[2].split()[0]) * 1024


@contextlib.contextmanager
def serving(command: Sequence[str], programs: Path, core: int) -> Iterator[Server]:
    """A server process in a process group of its own, pinned to one core; it ends with the context."""
    port = free_port()
    program, *rest = (argument.format(port=port, certificate=certificate(programs)) for argument in command)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), str(programs / program), *rest],
            cwd=HERE / "apps",
            env={**os.environ, "PYTHONPATH": str(HERE / "apps")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            for _ in range(START_SECONDS * 20):
                if process.poll() is not None:
                    log.seek(0)
                    raise Unable("does not start: " + (last_line(log.read()) or f"exit code {process.returncode}"))
                with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                    break
                time.sleep(0.05)
            else:
                raise Unable(f"does not listen within {START_SECONDS} s")
            yield Server(process.pid, port, core)
        finally:
            for signum in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signum)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                    break


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """User and system time of a process, its living descendants, and those that it has waited for: proc(5)."""
    ticks, pids = 0, [pid]
    while pids:
        folder = Path(f"/proc/{pids.pop()}")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:15]))
            for children in folder.glob("task/*/children"):
                pids += map(int, children.read_text().split())
    return ticks / os.sysconf("SC_CLK_TCK")


def busy_seconds(cores: set[int]) -> float:
    """Time that the cores did not idle: proc(5)."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores}:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def waited_seconds() -> float:
    """Processor time of this process's children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# -- measuring ---------------------------------------------------------------------------------------


def measure(title: str, loads: Mapping[str, Callable[[], Figures]], rounds: int, fails: bool = False) -> Results:
    """Load in rounds, in which those named take turns; unless it `fails`, each request must have its answer."""
    taken: dict[str, list[Figures]] = {name: [] for name in loads}
    failed = set()
    for _ in range(rounds):
        for name, load in loads.items():
            if name in failed:
                continue
            note(f"{title}: {name}")
            try:
                figures = load()
                if figures.failed and not fails:
                    raise Unable(f"under load: {figures.failed} requests without an answer")
                taken[name].append(figures)
            except Unable as reason:
                print(f"{title}, {name}: {reason}")
                failed.add(name)
    return {name: None if name in failed else sum_up(taken[name]) for name in loads}


def sum_up(rounds: Sequence[Figures]) -> Result:
    costs = [figures.cpu for figures in rounds]
    rates = [figures.rate for figures in rounds]
    others = max(figures.others for figures in rounds)
    failed = max(figures.failed for figures in rounds)
    return Result(statistics.median(costs), statistics.median(rates), min(costs), max(costs), others, failed)


def print_table(title: str, results: Results) -> None:
    """The first is the one that is compared with the others."""
    own = next(iter(results.values()), None)
    print(f"\n{title:48}{'µs CPU/request':>16}{'of the rounds':>16}{'requests/s':>14}{'ratio':>10}")
    for name, result in results.items():
        if result is None:
            print(f"{name:48}{'–':>16}{'–':>16}{'–':>14}{'–':>10}")
        else:
            ratio = f"{own.cpu / result.cpu:.2f}" if own and own is not result else ""
            spread = f"{result.least:.1f}–{result.most:.1f}"
            print(f"{name:48}{result.cpu:>16.1f}{spread:>16}{result.rate:>14,.0f}{ratio:>10}")
    others = max((result.others for result in results.values() if result), default=0)
    if others > DISTURBING:
        print(f"other programs took up to {others:.0%} of the two cores: measure again when they are quiet")
    sys.stdout.flush()


class Line(NamedTuple):
    """One of the budgets: what was measured, and what it may be at most."""

    what: str
    found: float
    most: float
    form: str = "{:.2f} ×"


def print_budgets(lines: Sequence[Line]) -> None:
    if lines:
        print(f"\n{'budgets':56}{'':>12}{'at most':>12}")
    for what, found, most, form in lines:
        print(f"{what:56}{form.format(found):>12}{form.format(most):>12}  {'met' if found <= most else 'MISSED'}")


# -- webhal and its peers ----------------------------------------------------------------------------


def compare(options: argparse.Namespace, programs: Path, core: int) -> None:
    with contextlib.ExitStack() as stack:
        servers: dict[Peer, Server] = {}
        for peer in dict.fromkeys(peer for case in options.cases for peer in case.peers):
            if options.only and peer.name not in options.only:
                continue
            note(f"starting {peer.name}")
            try:
                install(programs, peer.needs)
                servers[peer] = stack.enter_context(serving(peer.command, programs, core))
            except Unable as reason:
                if peer.package == "webhal":
                    raise Unable(f"webhal: {reason}") from None
                print(f"{peer.name} is left out: {reason}")
        lines = []
        for case in options.cases:
            able = {}
            for peer in case.peers:
                if peer in servers:
                    try:
                        servers[peer].check(case)
                        able[f"{peer.name} {version(programs, peer.package)}"] = servers[peer]
                    except Unable as reason:
                        if peer.package == "webhal":
                            raise
                        print(f"{peer.name}, {case.name}: {reason}")
            for connections in options.connections:
                title = f"{case.name}, {connections} connections"
                loads = {
                    name: functools.partial(server.load, case, connections, options.seconds)
                    for name, server in able.items()
                }
                results = measure(title, loads, options.rounds)
                print_table(title, results)
                if connections == 32:
                    lines += held(case, results)
        print_budgets(lines)


def held(case: Case, results: Results) -> list[Line]:
    """The budgets of a case, as far as they were measured."""
    of = {name.split()[0]: result for name, result in results.items()}
    lines = []
    for name, peer, most in BUDGETS:
        own, other = of.get("webhal"), of.get(peer)
        if name == case.name and own and other:
            lines.append(Line(f"{name}: {own.cpu:.1f} µs; {peer} {other.cpu:.1f}", own.cpu / other.cpu, most))
    return lines


# -- many clients ------------------------------------------------------------------------------------


def allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), max(hard, count)))
    except (OSError, ValueError):
        raise Unable(f"{count} descriptors are needed and {hard} allowed: choose fewer clients") from None


def beside(kinds: Sequence[Clients], count: int, programs: Path, core: int, options: argparse.Namespace) -> None:
    """Print what `count` clients of each kind cost webhal: memory each, and time of requests on other connections."""
    room = count + 1024
    allow_descriptors(room)
    install(programs, CHECKOUT)
    command = ("python", "webhal_waiting_app.py", "{port}", str(room))
    hello = CASES[0]
    lines = []
    for kind in kinds:
        who = f"{count:,} {kind.name}"
        with contextlib.ExitStack() as stack:
            # Two servers take turns, one with those clients and one without.
            full, empty = (stack.enter_context(serving(command, programs, core)) for _ in range(2))
            for server in (full, empty):
                server.check(hello)
                server.load(hello, 32, 1)
            before = full.resident()
            note(f"connecting {who}")
            connections = [stack.enter_context(connected(full.port, kind)) for _ in range(count)]
            full.check(hello)
            each = (full.resident() - before) / count
            print(f"\n{who}: {each:,.0f} B each")
            if kind.memory:
                lines.append(Line(f"{who}, memory of each", each, kind.memory, "{:,.0f} B"))
            for others in options.connections:
                title = f"{others} connections beside {who}"
                loads = {
                    name: functools.partial(server.load, hello, others, options.seconds)
                    for name, server in {"beside them": full, "alone": empty}.items()
                }
                results = measure(title, loads, options.rounds)
                print_table(title, results)
                own, alone = results["beside them"], results["alone"]
                if own and alone:
                    lines.append(Line(title, own.cpu / alone.cpu, BESIDE))
            poll = select.poll()
            for connection in connections:
                poll.register(connection, select.POLLIN)
            answered = len(poll.poll(0))
            if answered:
                raise Unable(f"the server answered, or closed, {answered} of {who} meanwhile")
    print_budgets(lines)


def connected(port: int, kind: Clients) -> socket.socket:
    """A connection that has sent its request and had the answer, if there is one."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.sendall(kind.request)
    received = b""
    while not received.endswith(kind.answer):
        piece = connection.recv(4096)
        if not piece:
            raise Unable("the server closed a connection instead of answering")
        received += piece
    return connection


def overload(programs: Path, core: int, options: argparse.Namespace) -> None:
    """Print what a request costs where more clients come than there are slots: at most what one that closes does."""
    allow_descriptors(4096)
    install(programs, CHECKOUT)
    hello = CASES[0]
    title = "hello, 1,024 slots"
    with serving(webhal("webhal_app.py").command, programs, core) as server:
        server.check(hello)

        def load(case: Case, connections: int) -> Figures:
            server.settle()
            return server.load(case, connections, options.seconds)

        loads = {
            "1,200 connections": lambda: load(hello, 1200),
            "1,000 connections": lambda: load(hello, 1000),
            "1,000, closed after each answer": lambda: load(CLOSING, 1000),
        }
        results = measure(title, loads, options.rounds, fails=True)
    print_table(title, results)
    own, kept, closing = results.values()
    if own and kept and closing:
        print(f"closed for others before they had an answer: at most {own.failed} in a round")
        closes = closing.cpu / kept.cpu
        print_budgets(
            [
                Line("a request's cost, to that with 1,000 connections", own.cpu / kept.cpu, closes),
                Line("time between answers, to that with 1,000 connections", kept.rate / own.rate, closes),
            ]
        )


# -- the command line --------------------------------------------------------------------------------


def last_line(text: str, containing: str = "") -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and containing in line]
    return lines[-1] if lines else ""


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure webhal and its peers on this PC")
    parser.add_argument("--quick", action="store_true", help="only hello, with 32 connections, in 3 rounds")
    names = dict.fromkeys(peer.name for case in CASES for peer in case.peers)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    cases = [case.name for case in CASES]
    parser.add_argument("--case", nargs="+", choices=cases, metavar="NAME", help=", ".join(cases))
    parser.add_argument("--connections", nargs="+", type=positive, metavar="N", help="default: 1 32 256")
    parser.add_argument("--rounds", type=positive, metavar="N", help="in which the servers take turns; default: 5")
    parser.add_argument("--seconds", type=positive, metavar="N", help="of load in each; default: 1, of overload 3")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--idle", nargs="?", type=positive, const=10_000, metavar="N", help="instead: N (10000) idle connections"
    )
    instead.add_argument(
        "--waiting", nargs="?", type=positive, const=900, metavar="N", help="instead: N (900) waiting handlers"
    )
    instead.add_argument("--overload", action="store_true", help="instead: more clients than slots")
    options = parser.parse_args()
    chosen = options.case or (["hello"] if options.quick else cases)
    options.cases = [case for case in CASES if case.name in chosen]
    options.rounds = options.rounds or (3 if options.quick else 5)
    # To connect a thousand clients costs as much as many requests.
    options.seconds = options.seconds or (3 if options.overload else 1)
    options.connections = options.connections or ([32] if options.quick else CONNECTIONS)
    return options


def main() -> None:
    options = arguments()
    try:
        if not sys.platform.startswith("linux"):
            raise Unable("this measures by /proc: run it on Linux")
        if not shutil.which("wrk"):
            raise Unable("wrk is missing: apt install wrk")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Unable("two cores are needed, one for the server and one for the load")
        os.sched_setaffinity(0, {cores[1]})
        programs = environment()
        if options.idle:
            beside([IDLE], options.idle, programs, cores[0], options)
        elif options.waiting:
            beside(WAITING, options.waiting, programs, cores[0], options)
        elif options.overload:
            overload(programs, cores[0], options)
        else:
            compare(options, programs, cores[0])
    except Unable as reason:
        sys.exit(f"pc.py: {reason}")
    except KeyboardInterrupt:
        sys.exit("pc.py: interrupted")


if __name__ == "__main__":
    main()
