"""What stands for a board's firmware; a real MicroPython of the unix port runs it, machine.py starts it.

Its flash is a folder, its serial line is standard input and output, its WiFi is loopback. It runs boot.py and main.py
as boards do, and speaks the REPL, the raw REPL and raw paste. What interrupts or ends it comes from machine.py,
which is told over a third pipe: "b" and "i" when a program becomes busy and idle, "H" to be reset, "S" and "R" to be
reset softly from the REPL and the raw REPL, "P" when the power goes.

The argument is a JSON file: see machine.py for its keys.
"""

# mypy: ignore-errors
# Only MicroPython runs it, with names and modules that CPython does not have.

import gc
import io
import json
import os
import socket
import sys
import time

import vfs

WINDOW = 128  # bytes that raw paste takes before it asks for more
BLOCK = 4096  # bytes of flash that the smallest file takes
ENOSPC = 28
EAGAIN = 11

control = None
others = None  # what fills the heap that the board does not have
used = None  # the file for machine.py that holds how many bytes of heap are in use
own = 0  # bytes of heap that a board does not have: this file's, and others


def tell(sign):
    control.write(sign)


def wait_for_the_end(sign):
    """Tell machine.py to end this process."""
    tell(sign)
    while True:
        time.sleep(1)


# -- flash ---------------------------------------------------------------------------------------------------


class Flash:
    """A folder of which only so many bytes can be used; the power goes at a given one that is written."""

    def __init__(self, root, size, power):
        self.files = os.VfsPosix(root)
        self.size = size
        self.power = power  # bytes that are written until it goes; a rename, a removal counts as one; None: stays
        self.used = 0

    def mount(self, read_only, make):
        self.files.mount(read_only, make)
        self.used = self.usage("")

    def umount(self):
        pass

    def usage(self, folder):
        total = 0
        for entry in self.files.ilistdir(folder or "/"):
            path = folder + "/" + entry[0]
            total += self.usage(path) if entry[1] & 0x4000 else blocks(self.files.stat(path)[6])
        return total

    def spend(self, count):
        """How many of `count` bytes are written before the power goes."""
        if self.power is None:
            return count
        self.power -= count
        return count if self.power >= 0 else count + self.power

    def change(self):
        """Count a change that is no write."""
        if not self.spend(1):
            wait_for_the_end(b"P")

    def open(self, path, mode):
        if "w" not in mode and "a" not in mode and "+" not in mode:
            return self.files.open(path, mode)
        self.change()
        try:
            before = self.files.stat(path)[6]
        except OSError:
            before = 0
        if "w" in mode:
            self.used -= blocks(before)
            before = 0
        return File(self, self.files.open(path, mode), before)

    def remove(self, path):
        size = self.files.stat(path)[6]
        self.change()
        self.files.remove(path)
        self.used -= blocks(size)

    def rename(self, old, new):
        try:
            size = self.files.stat(new)[6]
        except OSError:
            size = 0
        self.change()
        here = self.files.getcwd()  # "" for the root
        if old[0] == new[0] == "/":  # of two absolute paths VfsPosix makes one text
            self.files.chdir("/")
            old = old[1:]
        try:
            self.files.rename(old, new)
        finally:
            self.files.chdir(here or "/")
        self.used -= blocks(size)

    def mkdir(self, path):
        self.change()
        self.files.mkdir(path)

    def rmdir(self, path):
        self.change()
        self.files.rmdir(path)

    def ilistdir(self, path):
        for name, kind, number in self.files.ilistdir(path):
            yield name, kind, number, self.files.stat((path.rstrip("/") + "/" if path else "") + name)[6]

    def statvfs(self, path):
        free = max(0, self.size - self.used) // BLOCK
        return (BLOCK, BLOCK, self.size // BLOCK, free, free, 0, 0, 0, 0, 255)

    def __getattr__(self, name):
        if name not in ("stat", "chdir", "getcwd"):
            raise AttributeError(name)
        return getattr(self.files, name)


def blocks(size):
    return (size + BLOCK - 1) // BLOCK * BLOCK


class File(io.IOBase):
    """A file that is written to."""

    def __init__(self, flash, file, size):
        self.flash = flash
        self.file = file
        self.size = size

    def write(self, data):
        data = data.encode() if isinstance(data, str) else bytes(data)
        more = blocks(self.size + len(data)) - blocks(self.size)
        if self.flash.used + more > self.flash.size:
            raise OSError(ENOSPC)
        self.flash.used += more
        self.size += len(data)
        count = self.flash.spend(len(data))
        self.file.write(data[:count])
        if count < len(data):
            self.file.flush()
            wait_for_the_end(b"P")
        return count

    def read(self, *size):
        return self.file.read(*size)

    def seek(self, *place):
        return self.file.seek(*place)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Rom:
    """A ROM partition: a file of this machine, mapped, so that it lies outside the heap as flash does.

    ioctl is `vfs.rom_ioctl` of the ESP8266, which has no object for a partition, or of ESP32 and RP2, where all but
    the object itself is asked of that. Neither looks at bounds. As in flash, writing only clears bits.
    """

    def __init__(self, path, flash, chip):
        import ffi
        import uctypes

        size = os.stat(path)[6]
        libc = ffi.open("libc.so.6")
        file = libc.func("i", "open", "si")(path, 2)  # to be read and written
        address = libc.func("p", "mmap", "piiiii")(None, size, 3, 1, file, 0)  # shared: it stays when this process ends
        self.content = uctypes.bytearray_at(address, size)
        self.flash = flash
        self.object = None if chip == "esp8266" else Partition(self)

    def mount(self):
        """As it is done at every reset: whatever begins as an image does."""
        try:
            vfs.mount(vfs.VfsRom(self.content), "/rom")
        except OSError:
            return
        sys.path.extend(("/rom", "/rom/lib"))

    def rom_ioctl(self, what, *values):
        if what == 1:
            return 1
        if what == 2:
            return self.object or memoryview(self.content)
        if self.object is None and what == 3:
            for block in range((values[1] + BLOCK - 1) // BLOCK):
                self.erase(block)
            return 4
        if self.object is None and what == 4:
            self.write(values[1], bytes(values[2]) + bytes(-len(values[2]) % 4))
            return 0
        return -22  # EINVAL

    def erase(self, block):
        start = block * BLOCK
        whole = self.flash.spend(1)
        size = BLOCK if whole else BLOCK // 2
        self.content[start : start + size] = b"\xff" * size
        if not whole:
            wait_for_the_end(b"P")

    def write(self, start, data):
        count = self.flash.spend(len(data))
        for index in range(count):
            self.content[start + index] &= data[index]
        if count < len(data):
            wait_for_the_end(b"P")


class Partition:
    """The ROM partition of ESP32 and RP2, as a block device."""

    def __init__(self, rom):
        self.rom = rom

    def ioctl(self, what, value):
        if what == 4:
            return len(self.rom.content) // BLOCK
        if what == 5:
            return BLOCK
        if what == 6:
            self.rom.erase(value)
            return 0

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = self.rom.content[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset):
        self.rom.write(block * BLOCK + offset, buffer)


# -- what a board has and the unix port has not --------------------------------------------------------------


class Module:
    """A module in the place of another, whose names it has too."""

    def __init__(self, origin, **names):
        self._origin = origin
        for name in names:
            setattr(self, name, names[name])

    def __getattr__(self, name):
        if self._origin is None:
            raise AttributeError(name)
        return getattr(self._origin, name)


class Anything:
    """Stands for hardware and its drivers: what it holds and what it calls is anything, what it measures is 0."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        return Anything(name)

    def __call__(self, *values, **more):
        return self if self.name[:1].isupper() else 0  # a class, a function

    def __getitem__(self, index):
        return 0

    def __setitem__(self, index, value):
        pass


def stand_in(name):
    """Let a module be there, whatever a program asks of it."""
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = Anything(name)


class Wlan:
    """A radio, which a soft reset leaves as it is.

    air     the password of each network in reach; None: whatever is asked for is there
    memory  a folder of the PC's, with a file that has the name of the joined network
    """

    PM_NONE = 0
    PM_PERFORMANCE = 1

    def __init__(self, interface, air, address, memory):
        self.interface = interface
        self.air = air
        self.own = address
        self.memory = memory
        self.ssid = ""
        self.on = False
        self.state = IDLE
        if not interface:
            with memory.open("/joined", "r") as file:
                self.ssid = file.read()
            if self.ssid:
                self.on = True
                self.state = GOT_IP

    def active(self, value=None):
        if value is not None:
            self.on = bool(value)
            if not value:
                self.disconnect()
        return self.on

    def connect(self, ssid=None, key=None):
        if not self.on:
            raise OSError("Wifi Not Started")
        if self.air is None or self.air.get(ssid) == (key or ""):
            self.remember(ssid)
            self.state = GOT_IP
        else:
            self.state = WRONG_PASSWORD if ssid in self.air else NO_AP_FOUND

    def disconnect(self):
        self.remember("")
        self.state = IDLE

    def remember(self, ssid):
        self.ssid = ssid
        if not self.interface:
            with self.memory.open("/joined", "w") as file:
                file.write(ssid)

    def isconnected(self):
        return self.on and self.state == GOT_IP

    def status(self):
        return self.state

    def ifconfig(self, values=None):
        here = self.isconnected() or (self.interface and self.on)
        return (self.own if here else "0.0.0.0", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def config(self, *names, **values):
        return self.ssid if names == ("ssid",) else ""


IDLE, CONNECTING, GOT_IP, NO_AP_FOUND, WRONG_PASSWORD = 1000, 1001, 1010, 201, 202


def equip(board):
    """Put the modules of the board in the place of the unix port's."""
    real_sys = sys
    machine = "%s with %s" % (board["name"], board["chip"].upper())
    implementation = Module(
        None, name=board["runtime"], version=tuple(board["version"]), _machine=machine, _mpy=board["mpy"]
    )
    sys.modules["sys"] = Module(real_sys, platform=board["chip"], implementation=implementation)
    if board["runtime"] == "circuitpython":
        equip_circuitpython(board)
    else:
        equip_micropython(board)


def equip_micropython(board):
    def getaddrinfo(host, port, *more):
        """Whatever the board listens on is the one port that it has on this machine."""
        if host in ("0.0.0.0", ""):
            return socket.getaddrinfo("127.0.0.1", board["port"])
        return socket.getaddrinfo(host, port, *more)

    sys.modules["socket"] = Module(socket, getaddrinfo=getaddrinfo)
    sys.modules["gc"] = Module(gc, mem_alloc=lambda: gc.mem_alloc() - own, collect=collect)
    memory = os.VfsPosix(board["radio"])
    wlans = [Wlan(interface, board["wifi"], board["address"], memory) for interface in (0, 1)]
    sys.modules["network"] = Module(
        None,
        STA_IF=0,
        AP_IF=1,
        WLAN=lambda interface=0: wlans[interface],
        STAT_IDLE=IDLE,
        STAT_CONNECTING=CONNECTING,
        STAT_GOT_IP=GOT_IP,
        STAT_NO_AP_FOUND=NO_AP_FOUND,
        STAT_WRONG_PASSWORD=WRONG_PASSWORD,
        hostname=lambda *name: "board",
        country=lambda *code: "XX",
    )
    sys.modules["machine"] = Module(
        Anything("machine") if board["stand_ins"] else None,
        reset=lambda: wait_for_the_end(b"H"),
        soft_reset=lambda: wait_for_the_end(b"S"),
        freq=lambda: 160000000,
        unique_id=lambda: board["uid"].encode(),
    )
    for name in board["stand_ins"]:
        stand_in(name)


def leave(size):
    """Take all of the heap but `size` bytes, which are in one piece, as a board's heap is before its programs."""
    global others, own
    gc.collect()
    low, high = size, gc.mem_free()
    while high - low > 64:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    largest = bytearray(low)
    try:
        while True:
            others = (others,)  # the least that can be taken: no gap stays
    except MemoryError:
        pass
    del largest
    others = others, bytearray(low - size)
    gc.collect()
    own = gc.mem_alloc()


def collect():
    """gc.collect, after which machine.py can read how much memory is in use."""
    gc.collect()
    used.seek(0)
    used.write(b"%10d" % (gc.mem_alloc() - own))


def fits(size):
    try:
        return bytearray(size)
    except MemoryError:
        return None


# -- what CircuitPython has, besides -------------------------------------------------------------------------


class Radio:
    """wifi.radio: the firmware has joined what settings.toml names before the program runs.

    As boards do, it stays joined over a soft reset, and does not join anew a network of the same name. See Wlan.
    """

    enabled = True
    hostname = "board"
    ap_active = False
    ipv4_address_ap = None

    def __init__(self, air, address, memory):
        self.air = air
        self.own = address
        self.memory = memory
        with memory.open("/joined", "r") as file:
            self.ssid = file.read()
        self.ipv4_address = address if self.ssid else None
        name = setting("CIRCUITPY_WIFI_SSID")
        if name:
            try:
                self.connect(name, setting("CIRCUITPY_WIFI_PASSWORD") or "")
            except OSError:
                pass

    def connect(self, ssid, password="", timeout=None):
        if self.ipv4_address and ssid == self.ssid:
            return
        self.stop_station()
        if self.air is not None and self.air.get(ssid) != password:
            raise OSError("Authentication failure" if ssid in self.air else "No network with that ssid")
        self.remember(ssid)
        self.ipv4_address = self.own

    def stop_station(self):
        self.remember("")
        self.ipv4_address = None

    def remember(self, ssid):
        self.ssid = ssid
        with self.memory.open("/joined", "w") as file:
            file.write(ssid)


def setting(name, default=None):
    """os.getenv of CircuitPython: a line of settings.toml."""
    try:
        with open("/settings.toml") as file:
            for line in file:
                equals = line.find("=")
                if line[:equals].strip() == name:
                    value = line[equals + 1 :].strip()
                    return eval(value, {})  # texts in quotes and numbers are written as in Python
    except OSError:
        pass
    return default


class Pool:
    """socketpool.SocketPool, over the unix port's sockets; nothing that poll() takes."""

    AF_INET = socket.AF_INET
    SOCK_STREAM = socket.SOCK_STREAM
    SOL_SOCKET = socket.SOL_SOCKET
    SO_REUSEADDR = socket.SO_REUSEADDR
    port = 0

    def __init__(self, radio):
        pass

    def socket(self, family=None, kind=None):
        return Socket(socket.socket())


class Socket:
    def __init__(self, inner):
        self.inner = inner
        for name in ("listen", "setsockopt", "settimeout", "setblocking", "close"):
            setattr(self, name, getattr(inner, name))

    def bind(self, address):
        self.inner.bind(socket.getaddrinfo("127.0.0.1", Pool.port)[0][-1])

    def accept(self):
        accepted, peer = self.inner.accept()
        peer = socket.sockaddr(peer)
        return Socket(accepted), (socket.inet_ntop(peer[0], peer[1]), peer[2])

    def recv_into(self, buffer):
        count = self.inner.readinto(buffer)
        if count is None:
            raise OSError(EAGAIN)
        return count

    def send(self, data):
        count = self.inner.write(data)
        if count is None:
            raise OSError(EAGAIN)
        return count


def equip_circuitpython(board):
    Pool.port = board["port"]
    sys.modules["os"] = Module(os, getenv=setting)
    sys.modules["socketpool"] = Module(None, SocketPool=Pool)
    sys.modules["wifi"] = Module(None, radio=Radio(board["wifi"], board["address"], os.VfsPosix(board["radio"])))
    sys.modules["microcontroller"] = Module(None, reset=lambda: wait_for_the_end(b"H"))
    sys.modules["supervisor"] = Module(None, ticks_ms=lambda: time.ticks_ms() % (1 << 29))


# -- the serial line -----------------------------------------------------------------------------------------


def put(text):
    sys.stdout.write(text)


def get():
    """The next byte, as text."""
    byte = sys.stdin.buffer.read(1)
    if not byte:  # machine.py is gone
        sys.exit()
    return chr(byte[0])


def run(stream, work, *arguments):
    """Let a program run, which Ctrl-C interrupts; what it raises is printed to `stream`."""
    try:
        tell(b"b")
        work(*arguments)
        tell(b"i")
    except SystemExit:
        wait_for_the_end(b"S")
    except BaseException as error:
        tell(b"i")
        sys.print_exception(error, stream)


def raw_repl(names):
    put("raw REPL; CTRL-B to exit\r\n")
    while True:
        put(">")
        text = ""
        while True:
            sign = get()
            if sign == "\x05" and not text:
                text = paste() if get() + get() == "A\x01" else None
                break
            if sign == "\x01":
                put("raw REPL; CTRL-B to exit\r\n>")
                text = ""
            elif sign == "\x02":
                put("\r\n")
                return
            elif sign == "\x03":
                text = ""
            elif sign == "\x04":
                put("OK")
                if not text:
                    put("\r\n")
                    wait_for_the_end(b"R")
                break
            else:
                text += sign
        if text is not None:
            complaint = io.StringIO()
            run(complaint, exec, text, names)
            put("\x04" + complaint.getvalue().replace("\n", "\r\n") + "\x04")


def paste():
    """A program by raw paste; None if it was given up."""
    sys.stdout.buffer.write(b"R\x01" + bytes((WINDOW & 255, WINDOW >> 8)) + b"\x01")
    pieces = []
    piece = bytearray()
    while True:
        byte = sys.stdin.buffer.read(1)
        if not byte:
            sys.exit()
        if byte == b"\x04":
            put("\x04")
            pieces.append(piece.decode())
            return "".join(pieces)
        if byte == b"\x03":
            put("\x04\x04")
            return None
        piece.extend(byte)
        if not len(piece) % WINDOW:
            put("\x01")


def friendly_repl(names, board):
    put("MicroPython v%s; %s with %s\r\n" % (".".join(map(str, board["version"])), board["name"], board["chip"]))
    put('Type "help()" for more information.\r\n>>> ')
    line = ""
    while True:
        sign = get()
        if sign == "\x01":
            return
        if sign == "\x04" and not line:
            put("\r\n")
            wait_for_the_end(b"S")
        if sign in "\x02\x03":
            line = ""
            put("\r\n>>> ")
        elif sign == "\r":
            put("\r\n")
            run(sys.stdout, exec, line, names)
            line = ""
            put(">>> ")
        elif sign >= " ":
            line += sign
            put(sign)


def first(names):
    """The first of these files that there is."""
    for name in names:
        try:
            os.stat(name)
            return name
        except OSError:
            pass


def main(path):
    with open(path) as file:
        board = json.load(file)
    global control, used
    control = open(board["control"], "wb")
    used = open(board["used"], "wb")
    flash = Flash(board["root"], board["flash"], board["power"])
    rom = Rom(board["rom"], flash, board["chip"]) if board["rom"] else None
    os.umount("/")
    os.mount(flash, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    del sys.argv[:]
    if rom:
        rom.mount()
        sys.modules["vfs"] = Module(vfs, rom_ioctl=rom.rom_ioctl)
    equip(board)
    leave(board["heap"] * (2 if sys.maxsize > 1 << 31 else 1))
    programs = board["programs"][: 1 if board["raw"] else None]
    names = {"__name__": "__main__"}
    raw = board["raw"]
    while True:
        try:
            tell(b"i")
            while programs:
                name = first(programs.pop(0))
                if name:
                    names = {"__name__": "__main__"}
                    if board["runtime"] == "circuitpython":
                        names["__file__"] = name
                    run(sys.stdout, execfile, name, names)  # noqa: F821
                    names = {"__name__": "__main__"}
            if raw:
                raw_repl(names)
                raw = False
            friendly_repl(names, board)
            raw = True
        except KeyboardInterrupt:  # which came too late for the program
            pass


main(sys.argv[1])
