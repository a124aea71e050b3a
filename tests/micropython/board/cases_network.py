"""The port's sockets: the conformance kit, over WiFi of each chip, and what only boards do. Runs on MicroPython."""

import errno
import gc
import os
import socket
import sys

import network as board

import webhal_micropython
from webhal.testing.check import check_network
from webhal_micropython.network import Network


def exhaust(port):
    """Take all the descriptors that this process may have."""
    taken = []
    try:
        while True:
            taken.append(socket.socket())
    except OSError:
        pass

    def give_back():
        for one in taken:
            one.close()

    return give_back


def lose_link(port):
    gone = board.air.pop("home")
    board.WLAN(board.STA_IF).disconnect()
    return lambda: board.air.update({"home": gone})


def kit(chip):
    board.become(chip)
    board.ASSOCIATE_MS = 50
    board.air["home"] = {"password": "secret 12"}
    port = Network(ssid="home", password="secret 12")
    port.up(10_000)
    kept = check_network(lambda: port, exhaust=exhaust, lose_link=lose_link)
    assert kept >= 38, kept


def test_kit_on_esp8266():
    kit("esp8266")


def test_kit_on_esp32():
    kit("esp32")


def test_kit_on_rp2():
    kit("rp2")


class Listener:
    """One whose `accept` ends as told."""

    def __init__(self, outcome):
        self.outcome = outcome

    def accept(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Accepted:
    blocking = True
    options = ()
    open = True

    def setblocking(self, value):
        self.blocking = value

    def setsockopt(self, level, option, value):
        self.options += ((level, option, value),)

    def close(self):
        self.open = False


def test_accept_when_nobody_waits():
    for number in (errno.EAGAIN, errno.ECONNABORTED):
        assert Network().accept(Listener(OSError(number))) is None


def test_accept_without_a_socket_to_spare():
    for number in (errno.ENOBUFS, errno.ENOMEM, 23, 105):
        try:
            Network().accept(Listener(OSError(number)))
        except OSError as error:
            assert error.errno == number
        else:
            raise AssertionError("no OSError")


def test_accepted_sockets_do_not_block():
    """ESP32's do, whatever the listener does; its peers are pairs."""
    accepted = Accepted()
    socket, peer = Network().accept(Listener((accepted, ("192.168.4.2", 50000))))
    assert socket is accepted and peer == ("192.168.4.2", 50000)
    assert accepted.blocking is False


def test_accepted_sockets_send_at_once():
    """Where that is possible. A client that has reset already is found out later, and takes no listener along."""

    class Reset(Accepted):
        def setsockopt(self, level, option, value):
            raise OSError(errno.EINVAL)

    port_socket = sys.modules["webhal_micropython.network"].socket
    try:
        sys.modules["webhal_micropython.network"].socket = BoardSocket
        accepted = Accepted()
        Network().accept(Listener((accepted, ("192.168.4.2", 50000))))
        assert accepted.options == ((6, 64, 1),)
        accepted = Reset()
        assert Network().accept(Listener((accepted, ("192.168.4.2", 50000))))[0] is accepted
    finally:
        sys.modules["webhal_micropython.network"].socket = port_socket


class BoardSocket:
    """The module of lwIP's boards."""

    IPPROTO_TCP = 6
    TCP_NODELAY = 64


def test_accepted_sockets_send_at_once_under_the_unix_port():
    """Which has no name for that option, nor getsockopt: the library's is asked."""
    try:
        import ffi
        import uctypes
    except ImportError:  # a build of the unix port without them cannot ask; Debian's can
        return
    getsockopt = ffi.open("libc.so.6").func("i", "getsockopt", "iiipp")
    port = Network()
    listener = port.listen(0, "127.0.0.1", 1)
    client = connect(port, listener)
    accepted, peer = accept(port, listener)
    value = bytearray(4)
    assert getsockopt(accepted.fileno(), 6, 1, value, uctypes.addressof(bytearray(b"\4\0\0\0"))) == 0  # TCP_NODELAY
    assert value != bytes(4)
    for each in (client, accepted, listener):
        each.close()


def connect(port, listener):
    client = socket.socket()
    client.connect(socket.getaddrinfo("127.0.0.1", port.local_port(listener))[0][-1])
    return client


def accept(port, listener):
    """Who waits."""
    port.watch(listener, True, False)
    assert port.wait(1000) == [listener], "nobody waits"
    return port.accept(listener)


def test_who_was_accepted_when_memory_ends_is_not_kept():
    def lacks_memory(address):
        raise MemoryError

    module = sys.modules["webhal_micropython.network"]
    accepted = Accepted()
    try:
        module.socket = BoardSocket
        BoardSocket.sockaddr = lacks_memory
        Network().accept(Listener((accepted, b"an address of the unix port")))
    except MemoryError:
        assert not accepted.open
    else:
        raise AssertionError("no MemoryError")
    finally:
        module.socket = socket


def test_accept_that_lacks_memory_loses_nobody():
    """Whatever it has taken is closed, and who was not taken is still waiting: never a client that nobody answers."""
    port = Network()
    listener = port.listen(0, "127.0.0.1", 1)
    lacking = 0
    for spare in range(0, 120, 3):
        client = connect(port, listener)
        client.setblocking(False)
        taken = accept_in(port, listener, spare)
        if not taken:
            lacking += 1
            if client.read(1) is None:  # it was not closed, so it waits
                taken = accept(port, listener)
        if taken:
            taken[0].close()
        client.close()
    assert 0 < lacking < 40
    port.close(listener)


def accept_in(port, listener, spare):
    """What accept gives where no more than so many small objects have room, or None for a lack of memory."""
    port.watch(listener, True, False)
    port.wait(1000)
    full = None
    try:
        while True:
            full = (full,)
    except MemoryError:
        pass
    for _ in range(spare):
        full = full[0]
    try:
        return port.accept(listener)
    except MemoryError:
        return None


def test_an_import_that_lacks_memory_leaves_nothing():
    with open("large.py", "w") as file:
        file.write("big = bytearray(20000)\nraise MemoryError\n")
    path = webhal_micropython.__path__
    webhal_micropython.__path__ = os.getcwd()
    try:
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(2):
            try:
                getattr(webhal_micropython, "large")  # noqa: B009
            except MemoryError:
                pass
            else:
                raise AssertionError("no MemoryError")
        gc.collect()
        assert gc.mem_alloc() - before < 5000
    finally:
        webhal_micropython.__path__ = path
        os.remove("large.py")


def test_small_pieces():
    """lwIP blocks when it has no memory for a large one."""
    given = []

    class Socket:
        def write(self, data, start, most):
            given.append((data, start, most))
            return 1

    assert Network().send(Socket(), b"data", 2) == 1
    assert given == [(b"data", 2, 1460)]


def test_close_never_raises():
    class Socket:
        def close(self):
            raise OSError(errno.EIO)

    port = Network()
    port.close(Socket())


def test_port_of_its_own_choice_is_free():
    port = Network()
    listeners = [port.listen(0, "127.0.0.1", 1) for _ in range(20)]
    assert len({port.local_port(listener) for listener in listeners}) == 20
    for listener in listeners:
        port.close(listener)


def test_port_in_use():
    port = Network()
    listener = port.listen(0, "127.0.0.1", 1)
    try:
        port.listen(port.local_port(listener), "127.0.0.1", 1)
    except OSError as error:
        assert error.errno == errno.EADDRINUSE
    else:
        raise AssertionError("no OSError")
    finally:
        port.close(listener)


class Clock:
    """The module `time` of a board."""

    def __init__(self, seconds, epoch):
        self.seconds = seconds
        self.epoch = epoch

    def time(self):
        return self.seconds

    def gmtime(self, seconds):
        return (self.epoch, 1, 1, 0, 0, 0, 0, 1)


def test_time_where_it_is_known():
    import webhal_micropython.limits as limits

    module = limits.time
    try:
        for seconds, epoch, expected in (
            (800_000_000, 2000, 1_746_684_800),
            (1_746_684_800, 1970, 1_746_684_800),
            (0, 2000, None),
            (20, 1970, None),
            (1_609_459_200, 1970, None),  # RP2 that nobody has told the time
        ):
            limits.time = Clock(seconds, epoch)
            assert limits.unix_time(None) == expected
    finally:
        limits.time = module


def test_limits_are_those_of_a_server():
    from webhal.app import App
    from webhal.server import Server
    from webhal_micropython.limits import limits

    Server(App(), Network(), **limits)
