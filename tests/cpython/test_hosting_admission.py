"""Admission: who is prepared before a server gets it, over each poller, and what a preparation may do."""

import asyncio
import select
import socket as bsd

import pytest

import webhal.log
from webhal import App, Server
from webhal.testing import check_network, promises
from webhal_cpython import admission, network
from webhal_cpython.admission import READ, WRITE, Admission

KINDS = [network.EpollNetwork, network.PollNetwork, network.SelectNetwork]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def password(arrival):
    """A preparation: the client says "open", a byte at a time or at once."""
    said = b""
    while len(said) < 4:
        try:
            piece = arrival.socket.recv(4 - len(said))
        except BlockingIOError:
            yield READ
        else:
            if not piece:
                raise ConnectionError
            said += piece
    if said != b"open":
        raise PermissionError


def turn(arrival):
    yield WRITE


class Network(admission.Network):
    """One whose time the test owns."""

    now = 0

    def ticks_ms(self):
        return self.now

    def wait(self, timeout_ms):
        self.now += 1
        return super().wait(timeout_ms)


@pytest.fixture
def clients():
    """Sockets appended to it are closed."""
    clients = []
    yield clients
    for each in clients:
        each.close()


@pytest.fixture
def serving(clients):
    """serving(*preparations) returns (server, connect), of which connect() makes a client."""
    servers = []

    def serve(*preparations, kind=Network, **limits):
        app = App()
        app.get("/")(lambda request: "%s:%d" % request.client)
        server = Server(app, kind(*preparations), **limits)
        listener = server.network.listen(0, "127.0.0.1", 100)  # more than there are slots
        server.adopt(listener, server.network.local_port(listener), "127.0.0.1")
        servers.append(server)

        def connect(say=b""):
            client = bsd.create_connection(("127.0.0.1", server.network.local_port(server.listener)), timeout=30)
            clients.append(client)
            client.sendall(say)
            return client

        return server, connect

    yield serve
    for server in servers:
        server.close()


def until(server, condition):
    """Step until a condition holds."""
    for _ in range(3000):
        if condition():
            return
        server.step(10)
    pytest.fail("the server has come to nothing")


def answer(server, client):
    """What a client receives first."""
    until(server, lambda: select.select([client], [], [], 0)[0])
    return client.recv(1000)


def ended(client):
    """Whether the server has closed it."""
    client.settimeout(0)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preparations", [(), (turn,), (turn, turn)])
def test_all_promises_are_kept(kind, preparations):
    made = type("Prepared", (Admission, kind), {})
    kept = check_network(lambda: made(*preparations))
    assert len(promises.PROMISES) - kept == 2 + (not hasattr(kind, "fileno"))  # no exhaust, and up never fails


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_being_prepared_takes_no_slot(serving, kind):
    server, connect = serving(password, kind=type("Prepared", (Admission, kind), {}), connections=1)
    silent = [connect(), connect(b"o"), connect()]
    client = connect(b"open" + GET)
    assert answer(server, client).endswith(b"127.0.0.1:%d" % client.getsockname()[1])
    client.close()
    for byte in b"pen":
        server.step(10)
        silent[1].send(bytes([byte]))
    silent[1].send(GET)
    assert b" 200 OK" in answer(server, silent[1])
    assert not ended(silent[0])


def test_who_fails_is_closed_and_others_are_served(serving):
    server, connect = serving(password)
    wrong, gone = connect(b"shut"), connect(b"op")
    gone.close()
    until(server, lambda: ended(wrong))
    until(server, lambda: not server.network._arrivals)
    assert b" 200 OK" in answer(server, connect(b"open" + GET))


def test_a_fault_of_a_preparation_is_logged_and_costs_its_connection(serving, monkeypatch):
    logged = []
    monkeypatch.setattr(webhal.log, "report", logged.append)

    def faulty(arrival):
        yield READ
        if arrival.socket.recv(1) == b"!":
            raise KeyError("fault")

    server, connect = serving(faulty)
    client = connect(b"!")
    until(server, lambda: ended(client))
    assert [str(error) for error in logged] == ["'fault'"]
    assert b" 200 OK" in answer(server, connect(b"." + GET))


@pytest.mark.parametrize("kind", KINDS)
def test_a_preparation_that_has_closed_its_socket_leaves_nothing(serving, kind):
    def failing(arrival):
        yield READ
        if arrival.socket.recv(1) == b"!":
            arrival.socket.close()
            raise OSError

    server, connect = serving(failing, kind=type("Prepared", (Admission, kind), {}))
    for _ in range(3):
        client = connect(b"!")
        until(server, lambda client=client: ended(client))
        assert b" 200 OK" in answer(server, connect(b"." + GET))
    assert len(server.network._watched) == 1 + len(server.slots)


def test_an_interrupted_preparation_is_no_end_of_it(serving):
    interruptions = [KeyboardInterrupt]

    def interrupted(arrival):
        yield READ
        if interruptions:
            raise interruptions.pop()
        arrival.socket.recv(1)

    server, connect = serving(interrupted)
    client = connect(b"." + GET)
    with pytest.raises(KeyboardInterrupt):
        until(server, lambda: ended(client))
    assert ended(client)
    assert b" 200 OK" in answer(server, connect(b"." + GET))


def test_a_preparation_may_exchange_socket_and_address(serving):
    def exchange(arrival):
        yield WRITE
        arrival.socket = bsd.socket(fileno=arrival.socket.detach())
        yield WRITE
        arrival.client = ("192.0.2.1", 7)

    server, connect = serving(exchange)
    assert answer(server, connect(GET)).endswith(b"192.0.2.1:7")


def test_who_is_late_is_closed_however_much_it_says(serving):
    server, connect = serving(password)
    client = connect()
    until(server, lambda: server.network._arrivals)
    for byte in b"op":
        server.network.now += 4_900
        client.send(bytes([byte]))
        server.step(10)
    assert not ended(client)
    server.network.now += 300
    server.step()
    assert ended(client) and not server.network._arrivals


def test_who_has_waited_longest_makes_room_after_a_second(serving, monkeypatch):
    monkeypatch.setattr(admission, "_MOST", 2)
    server, connect = serving(password)
    first = connect()
    until(server, lambda: len(server.network._arrivals) == 1)
    second = connect()
    until(server, lambda: len(server.network._arrivals) == 2)
    client = connect(b"open" + GET)
    for _ in range(5):
        server.step(1)
    assert not ended(first) and len(server.network._arrivals) == 2
    server.network.now += 1_000
    assert b" 200 OK" in answer(server, client)
    assert ended(first) and not ended(second)


def test_room_that_is_left_is_taken(serving, monkeypatch):
    monkeypatch.setattr(admission, "_MOST", 1)
    server, connect = serving(password)
    first = connect(b"o")
    until(server, lambda: server.network._arrivals)
    second = connect(b"open" + GET)
    for _ in range(5):
        server.step(1)
    first.send(b"pen" + GET)
    assert b" 200 OK" in answer(server, first)
    assert b" 200 OK" in answer(server, second)


def test_who_is_prepared_waits_for_a_slot(serving):
    server, connect = serving(password, connections=1)
    first = connect(b"open" + GET)
    assert b" 200 OK" in answer(server, first)
    first.send(b"GET / ")  # so it is not idle
    others = [connect(b"open" + GET) for _ in range(3)]
    until(server, lambda: server.full)
    first.close()
    for each in others:
        assert b" 200 OK" in answer(server, each)
        each.close()


def test_a_closed_listener_takes_with_it_who_came_by_it(serving):
    server, connect = serving(password)
    silent, ready = connect(), connect(b"open")
    listener = server.listener
    server.network.watch(listener, False, False)
    server.network.watch(listener, True, False)
    while len(server.network._arrivals) != 1:
        server.network.wait(10)
    server.network.close(listener)
    assert ended(silent) and ended(ready)
    assert not (server.network._arrivals or server.network._own or server.network._watched)


def test_a_server_that_drains_serves_who_is_being_prepared(clients):
    app = App()
    app.get("/")(lambda request: "served")
    server = network.Network().Server(app, Network(password), deadlines={"idle": 1})
    server.open(0, "127.0.0.1")
    port = server.network.local_port(server.listener)
    clients += [bsd.create_connection(("127.0.0.1", port), timeout=30) for _ in range(3)]
    late, never, silent = clients
    until(server, lambda: len(server.network._arrivals) == 3)
    late.send(b"op")
    server.drain()
    server.step(0)
    with pytest.raises(ConnectionRefusedError):
        bsd.create_connection(("127.0.0.1", port), timeout=30)
    late.send(b"en" + GET)
    assert answer(server, late).endswith(b"served")
    never.close()
    assert not ended(silent)
    server.network.now += 10_001
    until(server, lambda: not server.listener)
    assert ended(silent)
    server.close()


def test_hosted_in_asyncio_who_is_prepared_is_accepted(serving):
    hosting = pytest.importorskip("webhal_cpython.hosting")
    server, connect = serving(turn, password)

    async def main():
        task = asyncio.create_task(hosting.serve(server))
        silent = connect(b"ope")
        clients = [connect(b"open" + GET) for _ in range(20)]
        loop = asyncio.get_running_loop()
        for client in clients:
            client.setblocking(False)
            assert b" 200 OK" in await asyncio.wait_for(loop.sock_recv(client, 1000), 30)
        silent.setblocking(False)
        await loop.sock_sendall(silent, b"n" + GET)
        assert b" 200 OK" in await asyncio.wait_for(loop.sock_recv(silent, 1000), 30)
        server.stop()
        await task

    asyncio.run(main())
