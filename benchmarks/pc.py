"""Measures webhal against its peers on this PC, in one run: `python benchmarks/pc.py`; see benchmarks/README.md.

Here live the list of peers and their settings, the load, and the measure, which is the processor time that the
server's whole process tree takes per answered request. The applications are in apps/, one per peer. The board side
is not measured here.
"""

import argparse
import contextlib
import http.client
import os
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
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
    command: tuple[str, ...]  # a program of the environment and its arguments; {port} is filled in


# One process and one thread of Python each, no access log, and the event loop and parser that each recommends.
GRANIAN = ("granian", "--host", HOST, "--port", "{port}", "--http", "1", "--loop", "uvloop", "--no-ws", "--no-log")
UVICORN = (
    "uvicorn", "--host", HOST, "--port", "{port}", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
    "--log-level", "warning",
)  # fmt: skip
CHECKOUT = ("--force-reinstall", "--no-deps", str(HERE.parent))  # as it is now, whatever its version says
WEBHAL = ("webhal", "run", "webhal_app.py", "--host", HOST, "--port", "{port}", "--no-access-log")
PEERS = (
    Peer("webhal", "webhal", CHECKOUT, WEBHAL),
    Peer("fastwsgi", "fastwsgi", ("fastwsgi", "setuptools<81"), ("python", "fastwsgi_app.py", "{port}")),
    Peer("socketify", "socketify", ("socketify",), ("python", "socketify_app.py", "{port}")),
    Peer("granian-rsgi", "granian", ("granian[uvloop]",), (*GRANIAN, "--interface", "rsgi", "rsgi_app:app")),
    Peer("granian-asgi", "granian", ("granian[uvloop]",), (*GRANIAN, "--interface", "asginl", "asgi_app:app")),
    Peer("uvicorn", "uvicorn", ("uvicorn[standard]",), (*UVICORN, "asgi_app:app")),
    Peer("starlette", "starlette", ("starlette", "uvicorn[standard]"), (*UVICORN, "starlette_app:app")),
    Peer("aiohttp", "aiohttp", ("aiohttp", "uvloop"), ("python", "aiohttp_app.py", "{port}")),
    Peer("microdot", "microdot", ("microdot",), ("python", "microdot_app.py", "{port}")),
)


class Case(NamedTuple):
    name: str
    method: str
    path: str
    body: bytes | None
    answer: re.Pattern[bytes]
    script: str | None  # wrk's


HELLO = re.compile(rb"Hello, world!")
ECHOED = b"0123456789abcdef" * 64  # as in echo.lua
CASES = (
    Case("hello", "GET", "/", None, HELLO, None),
    Case("headers", "GET", "/", None, HELLO, "headers.lua"),
    Case("json", "GET", "/users/42", None, re.compile(rb'\{"id": ?42, ?"name": ?"user 42"\}'), None),
    Case("echo", "POST", "/echo", ECHOED, re.compile(ECHOED), "echo.lua"),
)
CONNECTIONS = (1, 32, 256)

# (case, peer, what webhal may cost at most, as a multiple of the peer), all with 32 connections
BUDGETS = [
    (case, peer, most)
    for case in ("hello", "headers")
    for peer, most in (("fastwsgi", 1.25), ("granian-rsgi", 0.5), ("uvicorn", 0.5), ("starlette", 0.3))
]


class Figures(NamedTuple):
    cpu: float  # microseconds of the process tree per answered request
    rate: float  # answered requests per second
    others: float  # share of the two cores' time that other programs took


class Result(NamedTuple):
    """Medians over the rounds, and the range of the first, which tells how far to trust it."""

    cpu: float
    rate: float
    least: float
    most: float
    others: float


Results = dict[str, Result | None]  # by name and version of the server; None for one that fails the case


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


def install(programs: Path, needs: Sequence[str]) -> None:
    pip = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *needs]
    done = subprocess.run(pip, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unable("not installed: " + (last_line(done.stdout, "ERROR") or f"pip exit code {done.returncode}"))


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
        """Raise Unable unless the server gives the case's answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request(case.method, case.path, case.body)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unable(f"no answer: {error!r}") from None
        finally:
            connection.close()
        if response.status != 200 or not case.answer.fullmatch(body):
            raise Unable(f"wrong answer: {response.status}, {body[:60]!r}")

    def load(self, case: Case, connections: int, seconds: int) -> Figures:
        """Load the server with wrk, on the core of this process, and say what a request cost."""
        wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        if case.script:
            wrk += ["-s", str(HERE / case.script)]
        wrk.append(f"http://{HOST}:{self.port}{case.path}")
        cores = {self.core, *os.sched_getaffinity(0)}
        began, all_before = time.monotonic(), busy_seconds(cores)
        own_before, wrk_before = processor_seconds(self.pid), waited_seconds()
        done = subprocess.run(wrk, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        spent = processor_seconds(self.pid) - own_before
        others = busy_seconds(cores) - all_before - spent - (waited_seconds() - wrk_before)
        share = max(0.0, others) / len(cores) / (time.monotonic() - began)
        total = re.search(r"(\d+) requests in", done.stdout)
        rate = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
        errors = re.search(r"(Socket errors|Non-2xx).*", done.stdout)
        if errors or not total or not rate or not int(total[1]):
            raise Unable("under load: " + (errors[0] if errors else last_line(done.stdout) or "no answer"))
        return Figures(spent / int(total[1]) * 1e6, float(rate[1]), share)

    def resident(self) -> int:
        """Bytes of the server's process in memory."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(text.partition("Rss:")[2].split()[0]) * 1024


@contextlib.contextmanager
def serving(command: Sequence[str], programs: Path, core: int) -> Iterator[Server]:
    """A server process in a process group of its own, pinned to one core; it ends with the context."""
    port = free_port()
    program, *rest = (argument.format(port=port) for argument in command)
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


# -- comparing ---------------------------------------------------------------------------------------


def compare(options: argparse.Namespace, programs: Path, core: int) -> None:
    with contextlib.ExitStack() as stack:
        servers = {}
        for peer in PEERS:
            if options.only and peer.name not in options.only:
                continue
            note(f"starting {peer.name}")
            try:
                install(programs, peer.needs)
                server = stack.enter_context(serving(peer.command, programs, core))
            except Unable as reason:
                if peer.name == "webhal":
                    raise Unable(f"webhal: {reason}") from None
                print(f"{peer.name} is left out: {reason}")
            else:
                servers[f"{peer.name} {version(programs, peer.package)}"] = server
        results = {}
        for case in options.cases:
            for connections in options.connections:
                results[case.name, connections] = measure(servers, case, connections, options)
                print_table(f"{case.name}, {connections} connections", results[case.name, connections])
    print_budgets(results)


def measure(servers: dict[str, Server], case: Case, connections: int, options: argparse.Namespace) -> Results:
    """Load the servers in rounds, in which they take turns."""
    taken: dict[str, list[Figures]] = {name: [] for name in servers}
    failed = set()
    for name, server in servers.items():
        try:
            server.check(case)
        except Unable as reason:
            print(f"{name}, {case.name}: {reason}")
            failed.add(name)
    for _ in range(options.rounds):
        for name, server in servers.items():
            if name in failed:
                continue
            note(f"{case.name}, {connections} connections: {name}")
            try:
                taken[name].append(server.load(case, connections, options.seconds))
            except Unable as reason:
                print(f"{name}, {case.name}, {connections} connections: {reason}")
                failed.add(name)
    return {name: None if name in failed else sum_up(taken[name]) for name in servers}


def sum_up(rounds: Sequence[Figures]) -> Result:
    costs = [figures.cpu for figures in rounds]
    rates = [figures.rate for figures in rounds]
    others = max(figures.others for figures in rounds)
    return Result(statistics.median(costs), statistics.median(rates), min(costs), max(costs), others)


def print_table(title: str, results: Results) -> None:
    own = next((result for name, result in results.items() if name.startswith("webhal ")), None)
    print(f"\n{title:26}{'µs CPU/request':>16}{'of the rounds':>16}{'requests/s':>14}{'webhal/peer':>14}")
    for name, result in results.items():
        if result is None:
            print(f"{name:26}{'–':>16}{'–':>16}{'–':>14}{'–':>14}")
        else:
            ratio = f"{own.cpu / result.cpu:.2f}" if own and own is not result else ""
            spread = f"{result.least:.1f}–{result.most:.1f}"
            print(f"{name:26}{result.cpu:>16.1f}{spread:>16}{result.rate:>14,.0f}{ratio:>14}")
    others = max((result.others for result in results.values() if result), default=0)
    if others > DISTURBING:
        print(f"other programs took up to {others:.0%} of the two cores: measure again when they are quiet")
    sys.stdout.flush()


def print_budgets(results: dict[tuple[str, int], Results]) -> None:
    print()
    for case, peer, most in BUDGETS:
        result_of = {name.split()[0]: result for name, result in results.get((case, 32), {}).items()}
        own, other = result_of.get("webhal"), result_of.get(peer)
        if own and other:
            ratio = own.cpu / other.cpu
            print(
                f"{'met   ' if ratio <= most else 'MISSED'} {case}, 32 connections: {own.cpu:.1f} µs is {ratio:.2f} × "
                f"{peer} ({other.cpu:.1f} µs); at most {most}"
            )


# -- idle connections --------------------------------------------------------------------------------


def idle(count: int, programs: Path, core: int, options: argparse.Namespace) -> None:
    """Print what `count` idle keep-alive connections cost webhal: memory each, and time of requests on others.

    Two servers take turns, one with the idle connections and one without.
    """
    room = count + 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, room), max(hard, room)))
    except (OSError, ValueError):
        raise Unable(f"{room} descriptors are needed and {hard} allowed; try a smaller --idle") from None
    install(programs, CHECKOUT)
    hello = CASES[0]
    command = ("python", "webhal_idle_app.py", "{port}", str(room))
    with contextlib.ExitStack() as stack:
        empty, full = (stack.enter_context(serving(command, programs, core)) for _ in range(2))
        for server in (empty, full):
            server.check(hello)
            server.load(hello, 32, 1)
        before = full.resident()
        note(f"opening {count} connections")
        connections = [stack.enter_context(used_connection(full.port)) for _ in range(count)]
        after = full.resident()
        print(f"{count} idle connections: {(after - before) / count:,.0f} B each ({before:,} B grew to {after:,} B)")
        for others in options.connections:
            costs = measure({"without": empty, "with": full}, hello, others, options)
            figures = ", ".join(f"{c.cpu:.1f} µs {name} them" for name, c in costs.items() if c)
            print(f"hello, {others} other connections: {figures}")
        poll = select.poll()
        for connection in connections:
            poll.register(connection, select.POLLIN)
        closed = len(poll.poll(0))
        if closed:
            raise Unable(f"the server closed {closed} idle connections meanwhile")


def used_connection(port: int) -> socket.socket:
    """A connection on which one request was answered."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"Hello, world!"):
        piece = connection.recv(4096)
        if not piece:
            raise Unable("the server closed a connection after its first request")
        answer += piece
    return connection


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
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--connections", nargs="+", type=positive, metavar="N", help="default: 1 32 256")
    parser.add_argument("--rounds", type=positive, metavar="N", help="in which the servers take turns; default: 5")
    parser.add_argument(
        "--seconds", type=positive, default=1, metavar="N", help="of load on a server in a round; default: 1"
    )
    parser.add_argument(
        "--idle", nargs="?", type=positive, const=10_000, metavar="N", help="measure N (10000) idle connections instead"
    )
    options = parser.parse_args()
    chosen = options.case or (["hello"] if options.quick else [case.name for case in CASES])
    options.cases = [case for case in CASES if case.name in chosen]
    options.rounds = options.rounds or (3 if options.quick else 5)
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
            idle(options.idle, programs, cores[0], options)
        else:
            compare(options, programs, cores[0])
    except Unable as reason:
        sys.exit(f"pc.py: {reason}")
    except KeyboardInterrupt:
        sys.exit("pc.py: interrupted")


if __name__ == "__main__":
    main()
