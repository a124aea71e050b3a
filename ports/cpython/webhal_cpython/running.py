"""`webhal run FILE[:name]`: serves an application file on this machine.

The file runs as under `python FILE`; but where it calls App.run, the command line's settings win over the
file's, requests are logged, and signals end the server gracefully. A file that serves nothing by itself has
its `app` served when it has run.
"""

import argparse
import contextlib
import functools
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import webhal.log
from webhal import App, Request, Server
from webhal.server import create
from webhal.starting import prepare
from webhal_cpython.cli import complain, printable
from webhal_cpython.loading import execute, tell
from webhal_cpython.network import PORT_ERRORS, ListenError, Network, listen_error
from webhal_cpython.output import Output

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FINISHING = "Finishing what runs (a second Ctrl-C ends it at once)"
_STEP_MS = 1000  # of waiting; the server looks after deadlines by itself
_THREAD_S = 1  # that a thread of the file's has to come to serving, before anything is said or done about it
_MOST_LOGGED = 2000  # characters of a request line: more is no line that a client meant


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE[:name]", help="the file, and the variable if it is not app")
    parser.add_argument("--host", help='listen on this address or name; "" is every address of this machine')
    parser.add_argument("--port", type=_port, help="listen on this port; 0 is one that is free")
    parser.add_argument("--no-access-log", dest="log", action="store_false", help="print no line for each request")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return int(text)


def main(arguments: argparse.Namespace) -> int:
    path, _, name = arguments.file.rpartition(":")
    if not path or not name.isidentifier():  # no name, or C:\app.py
        path, name = arguments.file, ""
    if os.path.isdir(path):
        return complain(f"{path} is a directory, not an application file", 2)
    if not os.path.exists(path):
        return complain(f"there is no file {path or repr(path)}", 2)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whoever follows the output through a pipe reads whole lines
        sys.stdout.reconfigure(line_buffering=True)
    run = _Run(arguments.host, arguments.port, arguments.log, name)
    threading.excepthook = run.uncaught
    webhal.log.report = run.errors.report
    # A lambda, because only a function becomes a method.
    App.run = lambda *values, **settings: run(*values, **settings)  # type: ignore[method-assign]
    try:
        module = execute(path)
        run.wait_for_threads(path)
        if not run.called.is_set():
            app = getattr(module, name or "app", None)
            if not isinstance(app, App):
                return complain(f"{path} has no App called {name or 'app'}; FILE:name chooses another variable")
            app.run()
        with _ended_by_signals(run.stop):
            run.join()
    except KeyboardInterrupt:  # it reached the file, so no server runs in this thread
        serves = bool(run.servers)
        run.stop()
        if not serves:
            return 128 + signal.SIGINT
        run.join()
    except ListenError as error:
        return complain(error.strerror)
    except Exception as error:
        return tell(error, path)
    return complain(run.failure) if run.failure else run.code


class _Run:
    """What App.run does under `webhal run`."""

    def __init__(self, host: str | None, port: int | None, log: bool, name: str) -> None:
        self.host = host
        self.port = port
        self.log = log
        self.name = name  # of the one variable whose App is served; "": whichever runs
        self.output = Output(sys.stdout)
        self.errors = Output(sys.stderr)
        self.called = threading.Event()
        self.threads: list[threading.Thread] = []  # of the file's, that called it
        self.servers: dict[Server, socket.socket] = {}  # and what to close to end their waits
        self.over = False  # nothing that would begin to serve now is to
        self.failure = ""  # why the last that was to serve did not, for a file that goes on and serves nothing
        self.code = 0  # the exit code, unless the main thread has another

    def __call__(self, app: App, port: int = 80, host: str = "", network: Any = None, **limits: Any) -> None:
        if self.name and getattr(sys.modules["__main__"], self.name, None) is not app:
            return
        main = threading.current_thread() is threading.main_thread()
        if not main:
            self.threads.append(threading.current_thread())
        self.called.set()
        port = port if self.port is None else self.port
        host = host if self.host is None else self.host
        network = network or Network()
        server = create(app, *prepare(network, limits))  # type: ignore[arg-type] # prepare judges them
        if self.log and self._log not in app.events.get("response", ()):
            app.on("response")(self._log)
        awake, self.servers[server] = socket.socketpair()
        try:
            if self.over and not main:  # asked now that `stop` would find the server
                return
            # Only the main thread gets signals; while a server runs in another, the file does there what it likes.
            with contextlib.closing(server), _ended_by_signals(self.stop) if main else contextlib.nullcontext():
                self._serve(server, port, host, awake)
        finally:
            awake.close()
            self.servers.pop(server).close()

    def _serve(self, server: Server, port: int, host: str, awake: socket.socket) -> None:
        try:
            server.open(port, host)
        except OSError as error:
            told = listen_error(error, port, host)
            if told.errno in PORT_ERRORS:
                told.strerror += " with --port"
            self.failure = told.strerror
            raise told from None
        self.failure = ""
        self.output.write(f"Serving on {_url(server, host)} (Ctrl-C stops it)")
        if not ("asyncio" in sys.modules and hasattr(server.network, "hosting")):  # else it waits
            if isinstance(server.network, Network):
                server.network.watch(awake, True, False)
            while not server.stopping:
                server.step(_STEP_MS)
            if isinstance(server.network, Network):
                server.network.close(awake)
            server.step()  # without waiting: it closes the listener, and nothing else may be left
            if server.slots:
                self.output.write(_FINISHING)
        Server.run(server)  # the portable one, which leaves signals alone

    def stop(self, *signal_and_frame: object) -> None:
        """Let the servers finish what runs; the next signal ends the process at once. For the main thread."""
        self.over = True
        for server, wake in list(self.servers.items()):
            server.stop()
            wake.close()  # which its other end shows as the end of a stream
            if server.host and any(each.work for each in list(server.slots.values())):
                self.output.write(_FINISHING)
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def wait_for_threads(self, path: str) -> None:
        """The file has run: give its threads the time to come to serving, which python would not end before either."""
        if threading.active_count() > 1 and not self.called.wait(_THREAD_S) and _last_threads():
            complain(f"{path} has run, its threads have not: waiting for one to serve (others are to be daemon=True)")
            while _last_threads() and not self.called.wait(_THREAD_S):
                pass
        self.over = not self.called.is_set()

    def uncaught(self, uncaught: threading.ExceptHookArgs) -> None:
        """threading.excepthook: a thread that cannot listen is a failure of the command."""
        if isinstance(uncaught.exc_value, ListenError):
            self.code = complain(uncaught.exc_value.strerror)
            self.failure = ""
        else:
            threading.__excepthook__(uncaught)

    def join(self) -> None:
        """Wait until the file's threads that serve have ended."""
        for thread in self.threads:
            thread.join()

    def _log(self, request: Request, status: int, length: int) -> None:
        """One line in the Common Log Format; "-" for a length that is not known yet."""
        line = request.head[:_MOST_LOGGED].split(b"\r\n", 1)[0].decode("ascii", "backslashreplace")
        line = printable(line.replace('"', '\\"'))[:_MOST_LOGGED]
        size = "-" if length < 0 else length
        self.output.write(f'{request.client[0]} - - [{_stamp(int(time.time()))}] "{line}" {status} {size}')


def _last_threads() -> bool:
    """Whether threads run that python would wait for."""
    return any(not each.daemon and each is not threading.main_thread() for each in threading.enumerate())


@contextlib.contextmanager
def _ended_by_signals(stop: Callable[..., None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`."""
    before = [signal.signal(each, stop) for each in _SIGNALS]
    try:
        yield
    finally:
        for each, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(each, handler)


def _url(server: Server, host: str) -> str:
    """The address to open in a browser."""
    if host in ("", "0.0.0.0", "::"):
        host = server.network.address() or host
    return "http://%s:%d/" % ("[%s]" % host if ":" in host else host, server.network.local_port(server.listener))


@functools.lru_cache(maxsize=1)
def _stamp(seconds: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(seconds))
