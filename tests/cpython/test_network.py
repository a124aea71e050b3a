"""The CPython network: the conformance kit over each poller, and what the kit cannot see."""

import errno
import importlib.util
import math
import os
import re
import resource
import select
import signal
import socket as bsd
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from webhal import App, Server
from webhal.testing import check_network, promises
from webhal.testing.check import Bench, SocketClient
from webhal_cpython import network as port

POLLERS = [port.EpollNetwork, port.PollNetwork, port.SelectNetwork]
KINDS = [*POLLERS, port.KqueueNetwork]


class StandInKqueue:
    """As much of kqueue as the port uses, over poll(): a filter per descriptor and kind, an event for each."""

    kinds = {-1: select.POLLIN, -2: select.POLLOUT}

    def __init__(self):
        self.filters = {}

    def control(self, changes, most, timeout=None):
        for change in changes or ():
            key = (change.ident, change.filter)
            if change.flags == 1:
                self.filters[key] = True
            elif self.filters.pop(key, None) is None:
                raise FileNotFoundError(errno.ENOENT, "no such filter")
        if most == 0:
            return []
        poller = select.poll()
        for ident in {ident for ident, _ in self.filters}:
            poller.register(ident, sum(self.kinds[kind] for other, kind in self.filters if other == ident))
        return [
            SimpleNamespace(ident=ident, filter=kind)
            for ident, events in poller.poll(timeout * 1000)
            for kind in self.kinds
            if (ident, kind) in self.filters and events & (self.kinds[kind] | select.POLLHUP | select.POLLERR)
        ][:most]

    def fileno(self):
        raise AssertionError("the stand-in has none")


@pytest.fixture
def kqueue(monkeypatch):
    """The names of kqueue in the port's module, on a system that has none."""
    names = SimpleNamespace(
        kqueue=StandInKqueue,
        kevent=lambda ident, filter, flags: SimpleNamespace(ident=ident, filter=filter, flags=flags),
        KQ_FILTER_READ=-1,
        KQ_FILTER_WRITE=-2,
        KQ_EV_ADD=1,
        KQ_EV_DELETE=2,
    )
    monkeypatch.setattr(port, "_kqueue", names)


@pytest.fixture
def opened():
    """Sockets appended to it are closed."""
    sockets = []
    yield sockets
    for socket in sockets:
        socket.close()


def exhaust(network):
    """Let the process have no descriptor more than now."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def accept(network, listener):
    network.watch(listener, True, False)
    assert network.wait(5_000) == [listener]
    return network.accept(listener)


def connected(network, opened, host="127.0.0.1"):
    """(client, accepted socket)."""
    listener = network.listen(0, host, 5)
    client = bsd.create_connection((host, network.local_port(listener)))
    socket, _ = accept(network, listener)
    network.close(listener)
    opened += [client, socket]
    return client, socket


# -- the conformance kit ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("kind", POLLERS)
def test_all_promises_are_kept(kind, host):
    kept = check_network(kind, host=host, exhaust=exhaust)
    assert len(promises.PROMISES) - kept == 1 + (not hasattr(kind, "fileno"))  # up never fails


def test_all_promises_are_kept_over_a_stand_in_of_kqueue(kqueue, monkeypatch):
    monkeypatch.delattr(port.KqueueNetwork, "fileno")
    check_network(port.KqueueNetwork, exhaust=exhaust)


@pytest.mark.parametrize("descriptor", ["never readable", "always readable"])
def test_a_wrong_fileno_is_caught_by_its_promise(descriptor):
    reader, writer = os.pipe()
    if descriptor == "always readable":
        os.write(writer, b"x")

    class Wrong(port.EpollNetwork):
        def fileno(self):
            return reader

    bench = Bench(Wrong(), SocketClient, "127.0.0.1", None, None, 2_000)
    try:
        with pytest.raises(AssertionError, match="readable although"):
            promises.descriptor(bench)
    finally:
        bench.close()
        os.close(reader)
        os.close(writer)


def test_the_port_of_the_porting_guide_keeps_all_promises():
    guide = (Path(__file__).parents[2] / "docs/porting.md").read_text()
    pieces = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(pieces) == 9
    namespace = {}
    exec("\n".join(pieces), namespace)
    check_network(namespace["Network"], exhaust=exhaust)


@pytest.mark.parametrize("fault", ["start", "end", "position", "most", "full"])
def test_a_wrong_sendfile_is_caught_by_its_promise(fault):
    class Wrong(port.EpollNetwork):
        def sendfile(self, socket, file, start, most):
            if fault == "position":
                file.seek(0)
            count = super().sendfile(socket, file, start + (fault == "start"), most + (fault == "most"))
            if fault == "end" and count == 0:
                raise OSError("end of file")
            return 1 if fault == "full" and count is None else count

    bench = Bench(Wrong(), SocketClient, "127.0.0.1", None, None, 2_000)
    try:
        with pytest.raises((AssertionError, OSError)):
            promises.file_sent(bench)
    finally:
        bench.close()


def test_a_file_for_a_socket_that_encrypts_goes_through_it(opened, tmp_path):
    class Encrypting(bsd.socket):
        def send(self, data):
            return super().send(bytes(byte ^ 1 for byte in data))

    (tmp_path / "file").write_bytes(bytes(range(100)))
    network = port.Network()
    client, socket = connected(network, opened)
    opened.append(Encrypting(fileno=socket.detach()))
    with open(tmp_path / "file", "rb", 0) as file:
        assert network.sendfile(opened[-1], file, 10, 20) == 20
        assert network.sendfile(opened[-1], file, 100, 20) == 0
    assert client.recv(100) == bytes(byte ^ 1 for byte in range(10, 30))


# -- which poller -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names, best",
    [
        ({"epoll", "kqueue", "poll"}, "EpollNetwork"),
        ({"kqueue", "poll"}, "KqueueNetwork"),
        ({"poll"}, "PollNetwork"),
        (set(), "SelectNetwork"),
    ],
)
def test_the_best_poller_is_chosen(monkeypatch, names, best):
    for name in ("epoll", "kqueue", "poll"):
        monkeypatch.delattr(select, name, raising=False)
    for name in names:
        monkeypatch.setattr(select, name, None, raising=False)
    spec = importlib.util.spec_from_file_location("again", port.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.Network.__name__ == best


# -- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_limits_are_those_that_the_guide_tells(kqueue, kind):
    guide = (Path(__file__).parents[2] / "docs/application.md").read_text("utf-8")
    told = {name: eval(value) for name, value in re.findall(r"(?m)^\| `(\w+)` \|[^|]+\| ([\d, ]+) \|", guide)}
    assert sorted(told) == ["body", "buffer", "connections", "deadlines", "head"]
    told["deadlines"] = dict(zip(("start", "rest", "idle", "write"), told["deadlines"], strict=True)) | {"linger": 2}
    server = Server(App(), kind())
    assert {name: getattr(server, name) for name in told} == told


# -- addresses --------------------------------------------------------------------------------------


def test_the_empty_host_is_ipv4_and_ipv6_and_peers_are_shown_plainly(opened):
    network = port.Network()
    listener = network.listen(0, "", 5)
    opened.append(listener)
    for host in ("127.0.0.1", "::1"):
        client = bsd.create_connection((host, network.local_port(listener)))
        socket, peer = accept(network, listener)
        opened += [client, socket]
        assert peer == client.getsockname()[:2]


def no_ipv6_sockets(monkeypatch):
    monkeypatch.setattr(bsd, "has_dualstack_ipv6", lambda: False)


def no_ipv6_addresses(monkeypatch):
    listen = port.Network._listen

    def refuse(self, family, address, backlog):
        if family == bsd.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return listen(self, family, address, backlog)

    monkeypatch.setattr(port.Network, "_listen", refuse)


@pytest.mark.parametrize("lack", [no_ipv6_sockets, no_ipv6_addresses])
def test_the_empty_host_is_ipv4_where_there_is_no_ipv6(monkeypatch, opened, lack):
    lack(monkeypatch)
    network = port.Network()
    listener = network.listen(0, "", 5)
    opened.append(listener)
    assert listener.getsockname()[0] == "0.0.0.0"


def test_a_port_taken_for_ipv6_is_not_taken_for_ipv4_instead(opened):
    network = port.Network()
    opened.append(network.listen(0, "::1", 5))
    with pytest.raises(OSError) as raised:
        network.listen(network.local_port(opened[0]), "", 5)
    assert raised.value.errno == errno.EADDRINUSE


def test_a_port_can_be_listened_on_again_while_its_last_connections_are_remembered(opened):
    network = port.Network()
    client, socket = connected(network, opened)
    place = socket.getsockname()
    network.close(socket)  # first, so that it is this side that remembers (TIME-WAIT)
    assert client.recv(1) == b""
    client.close()
    opened.append(network.listen(place[1], place[0], 5))


def test_a_name_is_its_ipv4_address_first(monkeypatch, opened):
    found = [(bsd.AF_INET6, bsd.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)), (bsd.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(bsd, "getaddrinfo", lambda *arguments, **named: found)
    opened.append(port.Network().listen(0, "localhost", 5))
    assert opened[0].getsockname()[0] == "127.0.0.1"


def test_an_unknown_host_is_an_oserror():
    with pytest.raises(OSError):
        port.Network().listen(0, "host.invalid", 5)


def test_a_listener_that_fails_leaves_no_socket_open(recwarn):
    with pytest.raises(OSError):
        port.Network().listen(0, "192.0.2.77", 5)
    assert not recwarn.list


def test_address_is_one_of_this_machine():
    with bsd.socket(bsd.AF_INET, bsd.SOCK_DGRAM) as socket:
        socket.bind((port.Network().address(), 0))


def test_address_is_loopback_where_no_way_leads_outside(monkeypatch):
    class Unconnected(bsd.socket):
        def connect(self, address):
            raise OSError(errno.ENETUNREACH, "unreachable")

    monkeypatch.setattr(port, "Socket", Unconnected)
    assert port.Network().address() == "127.0.0.1"


# -- sockets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_accepted_sockets_do_not_block_or_delay(opened, host):
    _, socket = connected(port.Network(), opened, host)
    assert socket.gettimeout() == 0
    assert socket.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY)


def test_accept_passes_over_what_was_aborted():
    outcomes = [ConnectionAbortedError(), ConnectionAbortedError(), BlockingIOError()]

    def raise_next():
        raise outcomes.pop(0)

    assert port.Network().accept(SimpleNamespace(accept=raise_next)) is None
    assert not outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_close_forgets_a_socket_of_which_a_child_process_has_a_copy(kqueue, opened, kind):
    network = kind()
    client, socket = connected(network, opened)
    network.watch(socket, True, False)
    opened.append(socket.dup())
    network.close(socket)
    client.send(b"x")
    assert network.wait(0) == []


def test_select_accepts_no_more_than_it_can_watch(monkeypatch, opened):
    network = port.SelectNetwork()
    listener = network.listen(0, "127.0.0.1", 5)
    opened.append(listener)
    monkeypatch.setattr(port, "_MOST_SELECTED", 1)
    network.watch(listener, True, False)
    with pytest.raises(OSError):
        network.accept(listener)


# -- waiting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POLLERS)
def test_a_signal_handler_that_raises_ends_a_wait(kind, opened):
    class Interrupt(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupt

    network = kind()
    _, socket = connected(network, opened)
    network.watch(socket, True, False)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Interrupt):
            network.wait(60_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_no_time_out_is_rounded_up():
    for ms in [*range(2_000), 60_000, 600_000]:
        assert math.ceil(Fraction(ms * port._SECONDS) * 1000) == ms
