"""What App.run does under `webhal run`: the settings of the command win over the file's, requests are logged, and
signals end the servers gracefully, those in threads of the file's, too.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from webhal import App, Request, Server
from webhal.server import create
from webhal.starting import listen, prepare
from webhal_cpython import listeners
from webhal_cpython.cli import complain
from webhal_cpython.network import PORT_ERRORS, ListenError, Network, listen_error
from webhal_cpython.output import Output
from webhal_cpython.proxies import TrustedProxies
from webhal_cpython.running import debug_page, service
from webhal_cpython.running.address import announce
from webhal_cpython.running.configuration import Settings
from webhal_cpython.running.logs import Logs
from webhal_cpython.serving import STOP_S
from webhal_cpython.serving import Server as Draining

_SIGNALS = (signal.SIGINT, signal.SIGTERM) + ((listeners.RETIRE,) if listeners.supervisor else ())
_FINISHING = "Finishing what runs (a second Ctrl-C ends it at once)"
_HOST = "127.0.0.1"  # so that nobody else sees what is not finished, unless that is asked for
_RETIRED_S = 1e6  # a supervisor sees to the end of what never finishes
_STEP_MS = 1000  # of waiting; the server looks after deadlines by itself
_THREAD_S = 1  # that a thread of the file's has to come to serving, before anything is said or done about it


class Runner:
    """Serves in place of App.run, which command.py replaces by it."""

    def __init__(
        self,
        settings: Settings,
        logs: Logs,
        output: Output,
        name: str,
    ) -> None:
        """name: of the one variable whose App is served; "": whichever runs"""
        self.settings = settings
        self.logs = logs
        self.output = output
        self.name = name
        self.network: Callable[[], Any] = Network  # makes one for each server whose file has none of its own
        self.proxies = TrustedProxies(settings["trusted"].split(","))
        self.show = False  # print what holds instead of serving
        self.renewed: list[Callable[[], None]] = []  # called at SIGHUP and SIGUSR1: what opens or reads its files anew
        self.terminal = service.Terminal()
        self.called = threading.Event()
        self.threads: list[threading.Thread] = []  # of the file's, that called it
        self.servers: dict[Server, socket.socket] = {}  # and what to close to end their waits
        self.over = False  # nothing that would begin to serve now is to
        self.failure = ""  # why the last that was to serve did not, for a file that goes on and serves nothing
        self.answered = 0  # requests
        self.code = 0  # the exit code, unless the main thread has another

    def __call__(
        self, app: App, port: int | None = None, host: str | None = None, network: Any = None, **limits: Any
    ) -> None:
        if self.name and getattr(sys.modules["__main__"], self.name, None) is not app:
            return
        main = threading.current_thread() is threading.main_thread()
        if not main:
            self.threads.append(threading.current_thread())
        self.called.set()
        if network and self.network is not Network:
            complain("the file has a network of its own; --cert, --self-signed and --proxy-protocol are not for that")
        network, full = prepare(network or self.network(), self.settings.limits(limits))  # type: ignore[arg-type]
        settings = self.settings.completed({"port": port, "host": host, **limits}, {"port": 80, "host": _HOST, **full})
        if self.show:
            self.output.write("\n".join(settings.told()))
            sys.exit()
        server = create(app, network, full)
        self.logs.attend(server)
        self._attend(app)
        if settings["debug"]:
            debug_page.install(app)
        if settings["proxy-headers"]:
            self.proxies.attach(server)
        if self.settings["deadline-idle"]:
            server.keep_alive = f"Keep-Alive: timeout={int(self.settings['deadline-idle'])}\r\n"
        awake, self.servers[server] = socket.socketpair()
        try:
            if self.over and not main:  # asked now that `stop` would find the server
                return
            # Only the main thread gets signals; while a server runs in another, the file does there what it likes.
            with contextlib.closing(server), ended_by_signals(self.stop) if main else contextlib.nullcontext():
                self._serve(server, settings, awake)
        finally:
            awake.close()
            self.servers.pop(server).close()

    def _serve(self, server: Server, settings: Settings, awake: socket.socket) -> None:
        port = settings["port"]
        host = listeners.SCHEME + settings["uds"] if settings["uds"] else settings["host"]
        option, plain = "--port", None
        try:
            server.adopt(*listen(server.network, port, host, server.connections))
            network: Any = server.network
            if settings["redirect-port"] is not None and hasattr(network, "listen_plain"):
                to = network.local_port(server.listener)
                option, port = "--redirect-port", settings["redirect-port"]
                plain = network.listen_plain(port, settings["host"], server.connections, to)
        except OSError as error:
            told = listen_error(error, port, host)
            if told.errno in PORT_ERRORS and not host.startswith(listeners.SCHEME):
                told.strerror += f" with {option}"
            self.failure = told.strerror
            raise told from None
        self.failure = ""
        if not listeners.supervisor or listeners.supervisor.first:
            announce(self.output, server, host, settings.sources["host"] != "default")
            if plain:
                self.output.write(f"Sending plain HTTP on port {network.local_port(plain)} there")
        if not ("asyncio" in sys.modules and hasattr(server.network, "hosting")):  # else it waits
            if isinstance(server.network, Network):
                server.network.watch(awake, True, False)
            while not server.stopping:
                server.step(_STEP_MS)
            if isinstance(server.network, Network):
                server.network.close(awake)
            server.step()  # without waiting: it closes the listener, and nothing else may be left
            if server.slots:
                self._say_finishing()
        Server.run(server)  # the portable one, which leaves signals alone

    def stop(self, number: int = signal.SIGINT, frame: object = None) -> None:
        """Let the servers finish what runs, as a signal asks. For the main thread.

        The next one ends the process at once, unless a supervisor sees to that. By SIGTERM services are ended, which
        wait for what may be on its way; whoever presses Ctrl-C does not want to.
        """
        self.over = True
        if not listeners.supervisor:
            service.notify("STOPPING=1")
        for server, wake in list(self.servers.items()):
            if number == signal.SIGINT or not isinstance(server, Draining):
                server.stop()
            else:
                server.drain(STOP_S if number == signal.SIGTERM else _RETIRED_S)
            wake.close()  # which its other end shows as the end of a stream
            if server.host and any(each.work for each in list(server.slots.values())):
                self._say_finishing()
        if not listeners.supervisor:
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)

    def _say_finishing(self) -> None:
        if not listeners.supervisor:
            self.output.write(_FINISHING)

    def _attend(self, app: App) -> None:
        """Let who has started this process know of what becomes of it."""
        if self._say_ready in app.events.get("listen", ()):
            return
        app.on("listen")(self._say_ready)
        if listeners.supervisor:
            if self.settings["max-requests"]:
                app.on("response")(self._count)
        elif seconds := service.watchdog_s():
            app.every(seconds)(lambda: service.notify("WATCHDOG=1"))

    def _say_ready(self, address: str, port: int) -> None:
        if listeners.supervisor:
            listeners.supervisor.tell("ready")
        else:
            service.notify("READY=1")

    def _count(self, request: Request, status: int, length: int) -> None:
        """A request was answered: the last that is to be lets another process take this one's place."""
        self.answered += 1
        if self.answered == self.settings["max-requests"] and listeners.supervisor:
            listeners.supervisor.tell("retire")

    def renew(self, number: int, frame: object) -> None:
        """SIGHUP or SIGUSR1: let files be opened and read anew, or end with the terminal. For the main thread."""
        if number == signal.SIGHUP and self.terminal.gone():
            self.hang_up()
        for each in self.renewed:
            each()

    def hang_up(self, *signal_and_frame: object) -> None:
        """SIGHUP for who has nothing to renew: end as by SIGTERM, so that no files are left. For the main thread."""
        os.kill(os.getpid(), signal.SIGTERM)

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
            while thread.is_alive():  # a signal that comes just before a wait does not end it
                thread.join(_THREAD_S)


def _last_threads() -> bool:
    """Whether threads run that python would wait for."""
    return any(not each.daemon and each is not threading.main_thread() for each in threading.enumerate())


@contextlib.contextmanager
def ended_by_signals(stop: Callable[..., None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, but in a process that a handler forked, which they end."""
    process = os.getpid()

    def handle(number: int, frame: object) -> None:
        if os.getpid() == process:
            stop(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = [signal.signal(each, handle) for each in _SIGNALS]
    try:
        yield
    finally:
        for each, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(each, handler)
