"""What tests with real servers and real clients share.

`start` runs a server as a process of its own and reads what it prints; `curl`, `telnet`, `dump_dom` and `browser` (a
headless Chromium) are clients. A client that is missing skips the test, under CI it fails it. `logged` is what the
server of a test's own process logs, `deploy` the command.
"""

import base64
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import webhal.log
from webhal_cpython import cli

PATIENCE_S = 60  # for what takes a moment; the rest is for a machine under load

WEBHAL = str(Path(sys.executable).with_name("webhal"))

sys.path.append(str(Path(__file__).parent))  # hosted.py and programs.py are shared, too

from programs import tool  # noqa: E402

# A job in the background ignores it, and so would its children.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A running program, and the lines of its standard output."""

    def __init__(self, arguments, env=os.environ, stdin=subprocess.DEVNULL, **options):
        # Output is tested as a user's pipe gets it.
        environment = {name: value for name, value in env.items() if name != "PYTHONUNBUFFERED"}
        self.popen = subprocess.Popen(
            arguments,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            **options,
        )
        self.errors = ""
        self._lines = queue.Queue()
        self._readers = [threading.Thread(target=read) for read in (self._read_lines, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_lines(self):
        for line in self.popen.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self):
        self.errors = self.popen.stderr.read()

    def line(self, pattern):
        """The match of the next line in which `pattern` is found; fails if the program ends before."""
        passed = []
        while line := self._lines.get(timeout=PATIENCE_S):
            if match := re.search(pattern, line):
                return match
            passed.append(line)
        pytest.fail(f"no line with {pattern!r} in {passed}; standard error: {self.end()[1]}")

    def rest(self):
        """The lines until the program's end."""
        return list(iter(lambda: self._lines.get(timeout=PATIENCE_S), None))

    def end(self):
        """Wait for the program's end: (exit code, standard error)."""
        code = self.popen.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join()
        return code, self.errors

    def stop(self, signal):
        self.popen.send_signal(signal)
        return self.end()


@pytest.fixture
def start():
    """start(*arguments) runs `python …`, start.webhal(*arguments) runs `webhal …`; both return a Process."""
    processes = []

    def start(*arguments, **options):
        return launch(sys.executable, "-u", *arguments, **options)

    def launch(*arguments, **options):
        processes.append(Process(arguments, **options))
        return processes[-1]

    start.webhal = lambda *arguments, **options: launch(WEBHAL, *arguments, **options)
    yield start
    for process in processes:
        process.popen.kill()
        process.end()
        process.popen.stdout.close()
        process.popen.stderr.close()


@pytest.fixture(scope="session")
def curl():
    """curl(*arguments) returns what curl prints."""
    path = tool("curl")

    def run(*arguments):
        arguments = (path, "--silent", "--show-error", "--noproxy", "*", *arguments)
        return subprocess.run(arguments, capture_output=True, check=True, timeout=PATIENCE_S).stdout

    return run


def chromium(profile, *arguments):
    """The command that runs Chromium."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-proxy-server"
        " --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    )
    path = tool("chromium", "chromium-browser", "google-chrome")
    return (path, *flags.split(), f"--user-data-dir={profile}", *arguments)


@pytest.fixture(scope="session")
def dump_dom(tmp_path_factory):
    """dump_dom(url) returns the document that Chromium made of a page, as HTML."""

    def run(url):
        arguments = chromium(tmp_path_factory.mktemp("chromium"), "--dump-dom", url)
        return subprocess.run(arguments, capture_output=True, check=True, text=True, timeout=PATIENCE_S).stdout

    return run


class Browser:
    """A headless Chromium with one page, told what to do by the DevTools protocol, through pipes."""

    def __init__(self, profile):
        orders, self._to = os.pipe()
        self._from, answers = os.pipe()
        # Chromium reads 3 and writes 4, which may be in use here: another process moves them there.
        move = (
            "import fcntl, os, sys; a, b = map(int, sys.argv[1:3]); b = fcntl.fcntl(b, fcntl.F_DUPFD, 5);"
            "os.dup2(a, 3); os.dup2(b, 4); os.execv(sys.argv[3], sys.argv[3:])"
        )
        self.popen = subprocess.Popen(
            (sys.executable, "-c", move, str(orders), str(answers))
            + chromium(profile, "--remote-debugging-pipe", "about:blank"),
            pass_fds=(orders, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(orders)
        os.close(answers)
        self._received = b""
        self._count = 0
        self._session = {}
        watchdog = threading.Timer(PATIENCE_S, self.popen.kill)
        watchdog.start()
        page = [each for each in self.tell("Target.getTargets")["targetInfos"] if each["type"] == "page"][0]
        attached = self.tell("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        watchdog.cancel()
        self._session = {"sessionId": attached["sessionId"]}

    def tell(self, method, **parameters):
        """Give one order, and return its result."""
        self._count += 1
        order = {"id": self._count, "method": method, "params": parameters, **self._session}
        os.write(self._to, json.dumps(order).encode() + b"\0")
        while True:
            while b"\0" not in self._received:
                piece = os.read(self._from, 65536)
                assert piece, "Chromium has ended"
                self._received += piece
            message, _, self._received = self._received.partition(b"\0")
            answer = json.loads(message)
            if answer.get("id") == self._count:
                assert "result" in answer, answer
                return answer["result"]

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page; of a promise, what it promises."""
        answer = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition):
        """Wait until the page is there, and a JavaScript expression true."""
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(f"document.readyState == 'complete' && {condition}"):
            assert time.monotonic() < end, self.evaluate("document.documentElement.outerHTML")
            time.sleep(0.02)

    def open(self, url):
        """Load a page, and wait until it is there."""
        self.tell("Page.navigate", url=url)
        self.until(f"location.href.startsWith({url!r})")

    def choose(self, selector, *files):
        """Choose files in an <input type="file">, as a person does."""
        found = self.tell("Runtime.evaluate", expression=f"document.querySelector({selector!r})")["result"]["objectId"]
        self.tell("DOM.setFileInputFiles", objectId=found, files=[str(file) for file in files])

    def drop(self, selector, *files):
        """Drag files from the desktop over an element, and drop them there."""
        place = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell("Input.dispatchDragEvent", type=kind, x=place[0], y=place[1], data=data)

    def screenshot(self, path):
        """Write what the page looks like to a PNG."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))

    def close(self):
        self.popen.terminate()
        self.popen.wait()
        os.close(self._to)
        os.close(self._from)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Browser."""
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def telnet():
    """telnet(host, port, typed) is what a person sees who types `typed` into telnet, until the server hangs up."""
    path = tool("telnet")
    pty = pytest.importorskip("pty")

    def run(host, port, typed):
        terminal, inside = pty.openpty()
        process = subprocess.Popen(
            (path, host, str(port)), stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        seen = b""
        try:
            while piece := _read(terminal):
                seen += piece
                if typed and b"Escape character is" in seen:
                    os.write(terminal, typed.encode())
                    typed = ""
        finally:
            process.kill()
            process.wait()
            watchdog.cancel()
            os.close(terminal)
        return seen.decode().replace("\r\n", "\n")

    return run


def _read(terminal):
    try:
        return os.read(terminal, 1024)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


@pytest.fixture
def logged():
    """What was logged; a test that expects something takes it out."""
    errors = []
    webhal.log.report = errors.append
    yield errors
    webhal.log.report = None
    assert not errors


@pytest.fixture
def deploy(capsys):
    """deploy(…) is (exit code, standard output, standard error)."""

    def deploy(*arguments):
        code = cli.main(["deploy", *map(str, arguments)])
        return code, *capsys.readouterr()

    return deploy
