"""A MicroPython board over its serial line.

mpremote's transport speaks the raw REPL; used as a library, for one connection serves a whole deployment. What it
does not do is here: to get through to a program that is running, to look at many files at once, to write so that
the power may go at any byte, and to wait for what the application says when it starts.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import math
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance, Facts, Show, let_go
from webhal_cpython.deploying.console import wait_for_address, why_not
from webhal_cpython.deploying.plan import NEW, NOTICE, RECORD, Plan, digest, undo
from webhal_cpython.deploying.rom import Partition
from webhal_cpython.deploying.settings import NAME as SETTINGS

_BAUD = 115200
_ANSWER_S = 10  # for what a board answers at once, unless its flash is busy
_GLANCE_S = 0.1
_OPERATION_S = 60  # for whatever a board is asked, however much it says meanwhile
_INTERRUPT_S = 15  # to end a program; a server may finish what runs, and boards start slowly
_CHUNK = 512  # bytes of a file sent at once, which costs a board three times as much memory
_BATCH = 16  # paths asked about at once

_FACTS = """\
import sys, os, gc
gc.collect()
i = sys.implementation
f = lambda: 0
try:
    v = os.statvfs('/')
except (AttributeError, OSError):
    v = None
try:
    import vfs
    r = vfs.rom_ioctl(2, 0)
    r = r.ioctl(4, 0) * r.ioctl(5, 0) if hasattr(r, 'ioctl') else len(r)
except (ImportError, AttributeError, TypeError, OSError):
    r = None
def has(m):
    try:
        return __import__(m)
    except ImportError:
        pass
print((i.name, tuple(i.version)[:3], sys.platform, getattr(i, '_machine', ''), getattr(i, '_mpy', 0), gc.mem_free(),
    v and v[1] * v[3], v and v[1], r, [m for m in ('socket', 'network') if not has(m)]))
"""

# Modules that are files are looked for, because importing them would run them.
_MISSING = """\
import os, sys
def there(p):
    try:
        os.stat(p)
        return True
    except OSError:
        return False
def missing(m):
    for d in sys.path:
        for e in ('.py', '.mpy', ''):
            if there((d and d + '/') + m.replace('.', '/') + e):
                return False
    try:
        __import__(m)
    except ImportError:
        return True
    except Exception:
        pass
"""

_HASHES = """\
import hashlib
def h(p):
    try:
        f = open(p, 'rb')
        s = hashlib.sha256()
        b = bytearray(512)
        m = memoryview(b)
        while 1:
            n = f.readinto(b)
            if not n:
                break
            s.update(m[:n])
        f.close()
    except OSError:
        return print('-')
    print(''.join(['%02x' % c for c in s.digest()[:8]]))
"""

_TOOLS = """\
import os
from binascii import a2b_base64 as d
def folders(p):
    i = p.find('/', 1)
    while i > 0:
        try:
            os.mkdir(p[:i])
        except OSError:
            pass
        i = p.find('/', i + 1)
def copy(a, b):
    with open(a, 'rb') as f:
        with open(b + '.new', 'wb') as g:
            while 1:
                x = f.read(512)
                if not x:
                    break
                g.write(x)
    os.rename(b + '.new', b)
def remove(p):
    try:
        os.remove(p)
    except OSError:
        pass
"""

_PROMPT = b">>> "
_TO_PROMPT = b"\r\x03\x03\x02"  # out of a program, a raw paste or the raw REPL
_LEAVE = b"import network;[network.WLAN(i).active(False) for i in (network.STA_IF, network.AP_IF)]\r"  # what was joined

_TODO = "webhal.todo"
_STEP = "webhal.step"

# Takes main.py's place while more than one file is put in place. A board that starts meanwhile goes on where it was
# stopped: all new files are there under their temporary names.
_COMPLETE = """\
# webhal puts a new application in place. If that was interrupted, this completes it.
import os

def there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False

for line in open("webhal.todo"):
    path = line[1:].rstrip()
    if line[0] == "+":
        if there(path + ".new"):
            os.rename(path + ".new", path)
    else:
        if there(path):
            os.remove(path)
        try:
            os.rmdir(path[: path.rfind("/")])
        except OSError:
            pass
if there("main.py.new"):
    os.rename("main.py.new", "main.py")
if __name__ == "__main__":
    import machine
    machine.reset()
"""


class SerialBoard:
    """See board.Board."""

    main = "main.py"
    own_port: int | None = None

    def __init__(self, target: str) -> None:
        """Raises DeployError when it cannot be opened."""
        self.target = target
        self._stopped = False  # what ran here, by us
        self._chip = ""
        self._line: Any = open_line(target)
        try:
            self._interrupt()
            self.facts = self._facts()
            self._chip = self.facts.chip
            self.rom = Partition(self._run, self.facts.rom) if self.facts.rom else None
            if self.facts.runtime == "circuitpython":
                raise DeployError(f"{target} runs CircuitPython: name its drive, or its web workflow, with --to")
        except BaseException:
            let_go(self)
            raise

    def cancel(self) -> None:
        self._line.serial.cancelled = True

    def close(self) -> None:
        self._line.serial.cancelled = False
        try:
            self.go_on()
        finally:
            self._disconnect()

    def go_on(self) -> None:
        try:
            if self._stopped:
                self.start(rejoin=False)
        except DeployError as error:
            raise DeployError(
                f"{self.target}: its application was stopped and does not start again: press its reset button"
            ) from error

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            self._line.close()

    # -- the line -----------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        """Get the raw REPL, whatever runs, and a heap that nothing uses; main.py does not start."""
        give_up = time.monotonic() + _INTERRUPT_S
        self._stopped = True
        try:
            while True:
                self._line.serial.write(b"\r\x03\x03\r\x01")
                if self._until(b"raw REPL; CTRL-B to exit\r\n", 0.5):
                    break
                if time.monotonic() > give_up:
                    self._stopped = False
                    raise DeployError(
                        f"{self.target}: no answer from a MicroPython; is it the right port, and is the firmware"
                        " flashed? Press the board's reset button and try again"
                    )
            self._line.serial.write(b"\x04")
            if not self._until(b"soft reboot\r\n", _ANSWER_S):
                raise DeployError(f"{self.target}: the board does not reset; press its reset button and try again")
            if not self._until(b"raw REPL; CTRL-B to exit\r\n", _INTERRUPT_S):
                raise DeployError(
                    f"{self.target}: its boot.py does not end, so that nothing else starts; to remove it:"
                    f" mpremote connect {self.target} resume fs rm :boot.py"
                )
            self._line.in_raw_repl = True
        except OSError as error:
            raise self._lost() from error

    def _until(self, ending: bytes, seconds: float) -> bool:
        """Whether the board sends this in time."""
        self._line.serial.timeout = _GLANCE_S  # mpremote looks at the clock between two reads of a pseudo-terminal
        try:
            with self._line.serial.within(seconds):
                return bool(self._line.read_until(1, ending, timeout=seconds).endswith(ending))
        except TimeoutError:
            return False
        finally:
            self._line.serial.timeout = _ANSWER_S

    def _run(self, program: str) -> str:
        """What a program prints. Raises OSError as the board did, DeployError for anything else."""
        from mpremote.transport import TransportError, TransportExecError

        try:
            with self._line.serial.within(_OPERATION_S):
                return bytes(self._line.exec(program)).decode("utf-8", "replace")
        except TransportExecError as error:
            last = error.error_output.strip().rpartition("\n")[2]
            if number := re.match(r"OSError: (?:\[Errno )?(\d+)", last):
                raise BoardError(int(number[1])) from error
            if last.startswith("NameError"):  # what was defined is gone: the board was reset
                raise self._lost() from error
            if last.startswith("MemoryError"):
                raise DeployError(f"{self.target}: the board is out of memory; is there a large boot.py?") from error
            if last.startswith("KeyboardInterrupt"):
                raise DeployError(f"{self.target}: interrupted at the board") from error
            raise DeployError(f"{self.target}: {last}") from error
        except TimeoutError as error:
            self._stopped = False
            raise DeployError(
                f"{self.target}: the board prints on and on, and does not answer; press its reset button and repeat"
                " the command"
            ) from error
        except (TransportError, OSError, struct.error, ValueError) as error:
            raise self._lost() from error

    def _lost(self) -> DeployError:
        if not self._line.serial.cancelled:
            self._stopped = False  # whatever runs there
        return DeployError(f"{self.target}: the board stopped answering; plug it in again and repeat the command")

    def _facts(self) -> Facts:
        try:
            said = ast.literal_eval(self._run(_FACTS).strip())
            name, version, platform, machine, mpy, memory, flash, block, rom, lacks = said
        except (SyntaxError, TypeError, ValueError) as error:
            raise DeployError(
                f"{self.target}: it answers, but not as a MicroPython does; is it the right port?"
            ) from error
        return Facts(name, version, platform, machine, mpy, memory, flash, block or 4096, rom, tuple(lacks))

    # -- files --------------------------------------------------------------------------------------

    def read(self, path: str) -> bytes | None:
        try:
            self._run(f"from binascii import b2a_base64\nf = open({path!r}, 'rb')")
        except BoardError:
            return None
        content = b""
        while piece := self._run(f"for i in range(8): print(str(b2a_base64(f.read({_CHUNK})), 'ascii'))").strip():
            content += b"".join(map(base64.b64decode, piece.split()))
        self._run("f.close()")
        return content

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        paths = list(paths)
        self._run(_HASHES)
        found = {}
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            lines = self._run(f"for p in {tuple(batch)!r}: h(p)").split()
            found.update({path: line for path, line in zip(batch, lines, strict=True) if line != "-"})
        return found

    def placed(self, wanted: dict[str, bytes]) -> dict[str, bytes]:
        return wanted

    def complete(self) -> None:
        """Put in place what an interrupted deployment has left to do, and remove the list of it."""
        try:
            if self.hashes([self.main]) == {self.main: digest(_COMPLETE.encode())}:
                self._run(f"exec(open({self.main!r}).read(), {{'__name__': ''}})")
            self._run(f"import os\ntry:\n    os.remove({_TODO!r})\nexcept OSError:\n    pass")
        except BoardError as error:
            words = "it cannot put in place what an interrupted deployment has sent"
            raise DeployError(f"{self.target}: {words}: {os.strerror(error.number)}") from error

    def missing(self, modules: Iterable[str]) -> set[str]:
        self._run(_MISSING)
        return set(self._run(f"for m in {tuple(modules)!r}:\n    if missing(m): print(m)").split())

    def remember(self, plan: Plan) -> Callable[[], object] | None:
        if not plan.updates:
            return None
        paths = [*plan.replaced, *plan.remove, *({SETTINGS} & {*plan.send})]
        old = {path: content for path in paths if (content := self.read(path)) is not None}
        image = self.rom.read() if self.rom and plan.image and plan.pauses else b""
        back = undo(plan, old, self.read(RECORD) or b"", image)

        def put_back() -> None:
            if not self._stopped:  # the new one was started, to prove itself
                self._interrupt()
            self.apply(back, lambda count: None)

        return put_back

    def apply(self, plan: Plan, advance: Advance) -> set[str]:
        """The new files are written under temporary names; then one rename puts the first step of the rest in place."""
        sent = set()
        path = RECORD
        try:
            self._run(_TOOLS)
            others = {SETTINGS, RECORD, _TODO, _STEP, self.main, self.main + NEW, *plan.stale} - {*plan.send}
            self._remove(path + NEW for path in sorted(others))
            if self.rom:
                self.rom.uncover()
            if self.read(RECORD) != plan.union:
                self._write(RECORD, plan.union)
                self._rename(RECORD)
            if not plan.image:
                self._pause(plan)
            staged = self.hashes([path + NEW for path in plan.send])
            for path, data in plan.send.items():
                if staged.get(path + NEW) != digest(data):
                    self._write(path, data, advance)
                    sent.add(path)
                else:
                    advance(len(data))
            for path, copy in plan.keep.items():
                self._run(f"copy({path!r}, {copy!r})")
            path = self.main
            if self.rom and plan.image:
                self._pause(plan)
                self.rom.write(plan.image, advance)
            if len(plan.send) == 1 and not plan.remove:
                self._rename(*plan.send)
            elif plan.send or plan.remove:
                self._put_in_place(plan)
            path = RECORD
            if plan.record != plan.union:
                self._write(RECORD, plan.record)
                self._rename(RECORD)
        except BoardError as error:
            if error.full:
                with contextlib.suppress(DeployError, BoardError):
                    self._remove(path + NEW for path in plan.send)
                raise DeployError(
                    f"{self.target}: its flash is full: there is no room for {path}; remove files that are not needed"
                ) from error
            raise DeployError(f"{self.target}: it cannot write {path}: {os.strerror(error.number)}") from error
        return sent

    def _remove(self, paths: Iterable[str]) -> None:
        """Those that are there."""
        paths = list(paths)
        for start in range(0, len(paths), _BATCH):
            self._run(f"for p in {tuple(paths[start : start + _BATCH])!r}: remove(p)")

    def _pause(self, plan: Plan) -> None:
        if plan.pauses:
            self._write(_STEP, NOTICE)
            self._run(f"os.rename({_STEP + NEW!r}, {self.main!r})")

    def _put_in_place(self, plan: Plan) -> None:
        if self.main not in plan.send:
            self._run(f"copy({self.main!r}, {self.main + NEW + NEW!r})")
            self._run(f"os.rename({self.main + NEW + NEW!r}, {self.main + NEW!r})")
        todo = [f"+{path}\n" for path in plan.send if path != self.main] + [f"-{path}\n" for path in plan.remove]
        self._write(_TODO, "".join(todo).encode())
        self._rename(_TODO)
        self._write(_STEP, _COMPLETE.encode())
        self._run(f"os.rename({_STEP + NEW!r}, {self.main!r})")
        self.complete()

    def _write(self, path: str, data: bytes, advance: Advance = lambda count: None) -> None:
        path += NEW
        before = f"folders({path!r})\nf = open({path!r}, 'wb')\nw = f.write\n"
        for start in range(0, len(data) or 1, _CHUNK):  # a program for each piece: every answer takes its time
            piece = data[start : start + _CHUNK]
            after = "\nf.close()" if start + _CHUNK >= len(data) else ""
            self._run(f"{before}w(d({base64.b64encode(piece)!r})){after}")
            before = ""
            advance(len(piece))

    def _rename(self, path: str) -> None:
        self._run(f"os.rename({path + NEW!r}, {path!r})")

    # -- starting -----------------------------------------------------------------------------------

    def start(self, rejoin: bool) -> None:
        """ESP8266 keeps its ports until a hard reset; others would lose a USB line by one. Radios outlive both."""
        give_up = time.monotonic() + _INTERRUPT_S
        try:
            self._line.serial.write(_TO_PROMPT)
            while not self._until(_PROMPT, 1):
                if time.monotonic() > give_up:
                    raise self._lost()
                self._line.serial.write(_TO_PROMPT)  # a board that boots may not have heard it
            if rejoin:
                self._line.serial.write(_LEAVE)
                self._until(_PROMPT, _ANSWER_S)
            if self._chip == "esp8266":
                self._line.serial.write(b"import machine;machine.reset()\r")
            else:
                self._line.serial.write(b"\x04")
                if not self._until(b"soft reboot\r\n", _ANSWER_S):
                    raise self._lost()
        except OSError as error:
            raise self._lost() from error
        self._stopped = False

    def address(self, port: int | None, show: Show) -> tuple[str, int]:
        return wait_for_address(self.hear, self.target, port, show)

    def hear(self, seconds: float) -> bytes:
        try:
            self._line.serial.timeout = seconds
            return bytes(self._line.serial.read(max(1, self._line.serial.in_waiting)))
        except OSError as error:
            if self._line.serial.cancelled:
                raise self._lost() from error
            self._reopen()  # a USB line that went with the reset
            return b""

    def _reopen(self) -> None:
        self._disconnect()
        give_up = time.monotonic() + _ANSWER_S
        while True:
            time.sleep(0.2)
            try:
                self._line = open_line(self.target)
                return
            except DeployError:
                if time.monotonic() > give_up:
                    raise


class BoardError(Exception):
    """An OSError at the board."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def full(self) -> bool:
        return self.number in (28, 105, 112)  # dialect: ENOSPC, as littlefs and FAT spell it


class _Port:
    """A serial port whose operations end, whatever comes: mpremote waits anew after each byte."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.end = math.inf  # of the operation, by the clock
        self.cancelled = False  # by another thread
        self.timeout = float(port.timeout)
        port.timeout = _GLANCE_S

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)

    @property
    def fd(self) -> int:  # which pyserial's sockets do not have
        return int(self.port.fileno())

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Within this block reading and writing raise TimeoutError when so much time has passed."""
        self.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self.end = math.inf

    def read(self, size: int = 1) -> bytes:
        give_up = time.monotonic() + self.timeout
        data = b""
        while len(data) < size:
            self._go_on()
            data += self.port.read(size - len(data))
            if time.monotonic() >= give_up:
                break
        return data

    def write(self, data: bytes) -> int:
        self._go_on()
        return int(self.port.write(data))

    def close(self) -> None:
        for name in ("rts", "dtr"):  # as mpremote has set them, lest closing resets the board
            with contextlib.suppress(OSError):
                setattr(self.port, name, False)
        self.port.close()

    def _go_on(self) -> None:
        if self.cancelled:
            raise OSError
        if time.monotonic() > self.end:
            raise TimeoutError


def open_line(target: str) -> Any:
    """mpremote's transport, with an end to every wait. Raises DeployError."""
    try:
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport
    except ImportError as error:
        raise DeployError("mpremote is missing: pip install 'webhal[deploy]'") from error
    try:
        line = SerialTransport(target, baudrate=_BAUD, timeout=_ANSWER_S)
    except (TransportError, OSError, ValueError) as error:
        raise DeployError(why_not(target)) from error
    with contextlib.suppress(AttributeError):
        line.serial.write_timeout = _ANSWER_S
    if "://" in target:
        line.is_pty = True  # so mpremote waits for what comes; else it sleeps, for a hundredth of a second each time
    if target.startswith("socket://"):
        same = socket.socket(fileno=line.serial.fileno())
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        same.detach()
    line.serial = _Port(line.serial)
    return line
