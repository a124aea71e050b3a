"""What tests with real servers and real clients share.

`start` runs a server as a process of its own and reads what it prints; `curl`, `telnet` and `dump_dom` (a
headless Chromium) are clients. A client that is missing skips the test, under CI it fails it.
"""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PATIENCE_S = 60  # for what takes a moment; the rest is for a machine under load

WEBHAL = str(Path(sys.executable).with_name("webhal"))

# A job in the background ignores it, and so would its children.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A running program, and the lines of its standard output."""

    def __init__(self, arguments, **options):
        # Output is tested as a user's pipe gets it.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.popen = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
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


def tool(*names):
    """The path of the first of these programs that there is."""
    for name in names:
        if path := shutil.which(name):
            return path
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"there is no {names[0]} here")


@pytest.fixture(scope="session")
def curl():
    """curl(*arguments) returns what curl prints."""
    path = tool("curl")

    def run(*arguments):
        arguments = (path, "--silent", "--show-error", "--noproxy", "*", *arguments)
        return subprocess.run(arguments, capture_output=True, check=True, timeout=PATIENCE_S).stdout

    return run


@pytest.fixture(scope="session")
def dump_dom(tmp_path_factory):
    """dump_dom(url) returns the document that Chromium made of a page, as HTML."""
    path = tool("chromium", "chromium-browser", "google-chrome")

    def run(url):
        profile = tmp_path_factory.mktemp("chromium")
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-proxy-server"
            " --no-first-run --disable-background-networking --disable-component-update --disable-sync --dump-dom"
        )
        arguments = (path, *flags.split(), f"--user-data-dir={profile}", url)
        return subprocess.run(arguments, capture_output=True, check=True, text=True, timeout=PATIENCE_S).stdout

    return run


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
