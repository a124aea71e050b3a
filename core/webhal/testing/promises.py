"""The promises of `webhal.net`, in its order, each with the test that a network which breaks it fails.

A test gets a `Bench` of check.py. It returns nothing, or a note on what the network does where a promise leaves
that open. A promise's text is an argument, not a docstring, because MicroPython drops docstrings.

Not tested, because a test would have to measure or to wait for days: that small writes leave at once
(TCP_NODELAY), ticks that are far apart, and what an operation allocates.
"""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.testing.check import Bench

    Test = Callable[[Bench], str | None]

STEP_MS = 20  # one wait; also for how long nothing must happen where nothing may happen
_MOST_TAKEN = 64_000_000  # bytes; no platform buffers so many for a peer that does not read
_PATTERN = bytes(range(256))

PROMISES: "list[tuple[str, Test]]" = []  # what is promised, and its test


class Skip(Exception):
    """This promise cannot be tested here, for the reason given."""


def promise(text: str) -> "Callable[[Test], Test]":
    def add(test: "Test") -> "Test":
        PROMISES.append((text, test))
        return test

    return add


# -- link -------------------------------------------------------------------------------------------


@promise("up: returns at once when the link is up, however often it is called")
def up_is_idempotent(bench: "Bench") -> None:
    for timeout_ms in (0, 60_000, 60_000):
        bench.in_time(0, bench.net.up, timeout_ms)
        assert bench.net.status() == "up", "the link is not up any more"


@promise("up: OSError in words, and in time, when the link cannot come up")
def up_fails(bench: "Bench") -> None:
    if not bench.lose_link:
        raise Skip("no lose_link was given")
    restore = bench.lose_link(bench.net)
    try:
        bench.in_time(1_000, fails_in_words, lambda: bench.net.up(1_000))
        assert bench.net.status() != "up", "status is up"
    finally:
        restore()
        bench.net.up(60_000)


def fails_in_words(act: "Callable[[], object]") -> None:
    try:
        act()
    except OSError as error:
        words = [argument for argument in error.args if isinstance(argument, str) and argument]
        assert words, "no words: " + repr(error)
    else:
        raise AssertionError("no OSError")


@promise("up(0): begins without waiting; status tells the outcome")
def up_begins(bench: "Bench") -> None:
    bench.net.down()
    bench.in_time(0, bench.net.up, 0)
    bench.until(lambda: True if bench.net.status() == "up" else None, "status does not become up")


@promise("down: gives the link up, however often it is called, until up")
def down_is_idempotent(bench: "Bench") -> "str | None":
    for _ in range(3):
        bench.net.down()
    note = "here the link stays up" if bench.net.status() == "up" else None
    bench.net.up(60_000)
    assert bench.net.status() == "up", "up does not bring the link back"
    return note


@promise("status, address: up with an address as text, or down or connecting with None")
def status_and_address(bench: "Bench") -> None:
    def look() -> None:
        status = bench.net.status()
        address = bench.net.address()
        assert status in ("up", "connecting", "down"), "status is " + repr(status)
        if status == "up":
            assert isinstance(address, str) and address, "up, but the address is " + repr(address)
        else:
            assert address is None, status + ", but the address is " + repr(address)

    look()
    bench.net.down()
    look()
    bench.net.up(0)
    look()
    bench.net.up(60_000)
    look()


# -- sockets ----------------------------------------------------------------------------------------


@promise("listen: on a port that the platform chooses, if it is 0; local_port tells it")
def listen_anywhere(bench: "Bench") -> None:
    listener = bench.listen()
    assert 0 < bench.net.local_port(listener) < 65536, "local_port is no port"
    client = bench.connect(listener)
    assert client.state != "refused", "no connection to the port that local_port tells"
    bench.accept(listener)


@promise("listen: on the port given")
def listen_here(bench: "Bench") -> None:
    listener = bench.listen()
    port = bench.net.local_port(listener)
    bench.net.close(listener)
    assert bench.net.local_port(bench.listen(port)) == port, "local_port is another"


@promise("listen: at every address, if host is empty")
def listen_everywhere(bench: "Bench") -> None:
    listener = bench.net.listen(0, "", 2)
    bench.opened.append((bench.net.close, listener))
    client = bench.connect(listener)
    assert client.state != "refused", "no connection by way of " + bench.host
    bench.accept(listener)


@promise("listen: OSError with errno EADDRINUSE when the address is taken")
def listen_taken(bench: "Bench") -> None:
    port = bench.net.local_port(bench.listen())
    try:
        bench.listen(port)
    except OSError as error:
        assert error.errno == errno.EADDRINUSE, "another error: " + repr(error)
    else:
        raise AssertionError("two listeners on one port")


@promise("accept: None when no connection waits")
def accept_none(bench: "Bench") -> None:
    listener = bench.listen()
    assert bench.net.accept(listener) is None, "something was accepted"
    bench.connect(listener)
    bench.accept(listener)
    assert bench.net.accept(listener) is None, "one connection was accepted twice"


@promise("accept: (socket, (address, port)), the latter the peer's")
def accept_peer(bench: "Bench") -> None:
    listener = bench.listen()
    client = bench.connect(listener)
    _, peer = bench.accept(listener)
    assert isinstance(peer, tuple) and len(peer) == 2, "the peer is " + repr(peer)
    assert isinstance(peer[0], str) and isinstance(peer[1], int), "the peer is " + repr(peer)
    assert client.peer is None or peer == tuple(client.peer), f"the peer is {peer}, not {client.peer}"


@promise("accept: each waiting connection, once; hashable, compared by identity")
def accept_each(bench: "Bench") -> None:
    listener = bench.listen()
    sent = [b"1", b"2"]
    for data in sent:
        bench.connect(listener).send(data)
    first, _ = bench.accept(listener)
    second, _ = bench.accept(listener)
    assert first != second and first == first and len({first: 1, second: 2, listener: 3}) == 3
    assert sorted([bench.receive(first, 1), bench.receive(second, 1)]) == sent, "not each connection was given"


@promise("accept: a client that is gone does no harm to the next one")
def accept_gone(bench: "Bench") -> None:
    listener = bench.listen()
    bench.connect(listener).reset()
    bench.connect(listener).send(b"here")

    def accept() -> "bool | None":
        accepted = bench.net.accept(listener)
        if not accepted:
            return None
        bench.opened.append((bench.net.close, accepted[0]))
        try:
            return True if bench.receive(accepted[0], 4) == b"here" else None
        except OSError:  # the one that is gone, where the platform does not pass it over
            return None

    bench.until(accept, "the next client is not accepted")


@promise("accept: OSError when the platform has no socket to spare; the listener goes on afterwards")
def accept_exhausted(bench: "Bench") -> None:
    if not bench.exhaust:
        raise Skip("no exhaust was given")
    listener = bench.listen()
    bench.connect(listener)
    relieve = bench.exhaust(bench.net)
    try:
        bench.until_fails(lambda: bench.net.accept(listener), "no OSError")
    finally:
        relieve()
    bench.accept(listener)


@promise("accept, recv_into, send: return at once")
def nothing_waits(bench: "Bench") -> None:
    listener = bench.listen()
    bench.in_time(0, bench.net.accept, listener)
    bench.connect(listener)
    socket, _ = bench.accept(listener)
    bench.in_time(0, bench.net.recv_into, socket, bytearray(10))
    bench.in_time(0, bench.net.send, socket, b"data", 0)


@promise("recv_into: n bytes, at the start of a bytearray or a memoryview")
def recv_into_start(bench: "Bench") -> None:
    client, socket = bench.pair()
    whole = bytearray(9)
    for buffer, start in ((whole, 0), (memoryview(whole)[3:6], 3)):
        whole[:] = b"." * 9
        client.send(b"abcdef")
        n = bench.receive_into(socket, buffer)
        assert whole[start : start + n] == b"abcdef"[:n], "what arrives is " + repr(bytes(whole))
        assert start == 0 or whole[:3] == whole[6:] == b"...", "bytes outside the memoryview were changed"
        assert bench.receive(socket, 6 - n) == b"abcdef"[n:]


@promise("recv_into: all that the peer sent, in order")
def recv_all(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.send(_PATTERN * 4)
    assert bench.receive(socket, 1024) == _PATTERN * 4, "other bytes than were sent"


@promise("recv_into: None when nothing is there now")
def recv_none(bench: "Bench") -> None:
    client, socket = bench.pair()
    assert bench.net.recv_into(socket, bytearray(10)) is None, "before anything came"
    client.send(b"x")
    bench.receive(socket, 1)
    assert bench.net.recv_into(socket, bytearray(10)) is None, "after all was received"


@promise("recv_into: 0 when all is received and the peer has ended its stream, and again and again")
def recv_end(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.send(b"last")
    client.close()
    assert bench.receive(socket, 5) == b"last", "not all arrives before the end"
    for _ in range(3):
        assert bench.receive_into(socket, bytearray(10)) == 0, "not 0 again"


@promise("recv_into: OSError after a reset")
def recv_reset(bench: "Bench") -> None:
    socket = bench.reset_pair()
    bench.until_fails(lambda: bench.net.recv_into(socket, bytearray(10)), "no OSError")


@promise("send: bytes, bytearray or memoryview, from start on")
def send_start(bench: "Bench") -> None:
    client, socket = bench.pair()
    for data in (b"..abc", bytearray(b"..abc"), memoryview(b"..abc.")[:5]):
        bench.send(socket, data, 2)
        assert bench.read(client, 3) == b"abc", "the peer gets other bytes"


@promise("send: takes at least 1 byte, or returns None while the peer does not read; watch tells when it has")
def send_none(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.window = 1_000
    bench.net.watch(socket, False, True)
    data = _PATTERN * 4
    taken = refused = got = 0
    while refused < 20:  # once is not enough: a kernel makes room in its own time
        n = bench.net.send(socket, data, taken % 256)
        if n is None:
            refused += 1
            bench.net.wait(1)
        else:
            assert 0 < n <= len(data) - taken % 256, f"send returned {n}"
            refused = 0
            taken += n
            assert taken < _MOST_TAKEN, "send never returns None"

    def send() -> None:
        nonlocal taken
        taken += bench.net.send(socket, data, taken % 256) or 0

    bench.in_time(0, send)
    client.window = None

    def read() -> "bool | None":
        nonlocal got
        while True:
            piece = client.read()
            if not piece:
                return True if got == taken else None
            first = got % 256
            assert piece == (_PATTERN * (2 + len(piece) // 256))[first : first + len(piece)], "bytes were lost"
            got += len(piece)

    bench.until(read, "the peer does not get all that send took")
    bench.await_report(socket, "the socket is not reported although the peer has read")
    bench.until(lambda: bench.net.send(socket, data, taken % 256), "send takes nothing although the peer has read")


@promise("send: OSError after a reset")
def send_reset(bench: "Bench") -> None:
    socket = bench.reset_pair()
    bench.until_fails(lambda: bench.net.send(socket, b"x", 0), "no OSError")


@promise("close: any number of times, of listeners, sockets and failed sockets; never raises")
def close_again(bench: "Bench") -> None:
    _, socket = bench.pair()
    failed = bench.reset_pair()
    bench.until_fails(lambda: bench.net.recv_into(failed, bytearray(10)), "no OSError after a reset")
    for closing in (socket, failed, bench.listen()):
        for _ in range(3):
            bench.net.close(closing)


@promise("close: a closed listener's port refuses connections")
def close_listener(bench: "Bench") -> None:
    listener = bench.listen()
    port = bench.net.local_port(listener)
    bench.net.close(listener)
    client = bench.make_client(bench.net, bench.host, port)
    state = client.state
    client.close()
    assert state == "refused", "the connection is " + state


@promise("close: what send took is delivered before the stream ends")
def close_delivers(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.send(b"question")
    bench.receive(socket, 8)
    bench.send(socket, _PATTERN * 4)
    bench.net.close(socket)
    assert bench.read(client, 1024) == _PATTERN * 4, "the peer gets other bytes"
    assert bench.end(client) == "ended", "the peer sees " + client.state


@promise("close: a closed socket is no longer watched")
def close_forgets(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.send(b"data")
    bench.net.watch(socket, True, True)
    bench.await_report(socket, "the socket is not reported before it is closed")
    bench.net.close(socket)
    other_client, other = bench.pair()  # it may have got the closed socket's descriptor
    other_client.send(b"data")
    for _ in range(3):
        assert not bench.count(socket, STEP_MS), "the closed socket is reported"
        assert not bench.count(other), "a new socket is reported in its place"


@promise("shut: ends this side's stream or does nothing, and the other side's goes on; never raises")
def shut_one_side(bench: "Bench") -> "str | None":
    client, socket = bench.pair()
    bench.send(socket, b"last")
    bench.net.shut(socket)
    bench.net.shut(socket)
    assert bench.read(client, 4) == b"last", "the peer does not get what was sent before"
    client.read()
    client.send(b"more")
    assert bench.receive(socket, 4) == b"more", "what the peer sends does not arrive"
    client.read()
    assert client.state in ("open", "ended"), "the peer sees " + client.state
    bench.net.shut(bench.reset_pair())
    return None if client.state == "ended" else "here it does nothing"


# -- readiness --------------------------------------------------------------------------------------


@promise("watch: a new socket is not watched")
def watch_new(bench: "Bench") -> None:
    client, socket = bench.pair()
    client.send(b"data")
    for _ in range(3):
        assert not bench.count(socket, STEP_MS), "it is reported"


@promise("watch: for read, a listener with a waiting connection, a socket with data or at the end")
def watch_read(bench: "Bench") -> None:
    listener = bench.listen()
    client = bench.connect(listener)
    bench.await_report(listener, "the listener is not reported")
    socket, _ = bench.accept(listener)
    bench.net.watch(socket, True, False)
    client.send(b"x")
    bench.await_report(socket, "the socket with data is not reported")
    bench.receive(socket, 1)
    client.close()
    bench.await_report(socket, "the socket at the end of the stream is not reported")


@promise("watch: for write, a socket with room")
def watch_write(bench: "Bench") -> None:
    _, socket = bench.pair()
    bench.net.watch(socket, False, True)
    bench.await_report(socket, "it is not reported")


@promise("watch: replaces what was said before")
def watch_replaces(bench: "Bench") -> "str | None":
    client, socket = bench.pair()
    bench.net.watch(socket, True, False)
    cannot_poll = bench.always_reported(socket)
    bench.net.watch(socket, False, True)
    bench.await_report(socket, "write after read: it is not reported")
    bench.net.watch(socket, True, False)
    assert cannot_poll or not bench.always_reported(socket), "read after write: it is reported for write"
    client.send(b"data")
    bench.await_report(socket, "read after write: it is not reported")
    return "here wait returns all that is watched" if cannot_poll else None


@promise("watch: neither read nor write: not reported")
def watch_nothing(bench: "Bench") -> None:
    client, socket = bench.pair()
    bench.net.watch(socket, True, True)
    client.send(b"data")
    bench.await_report(socket, "it is not reported while it is watched")
    bench.net.watch(socket, False, False)
    for _ in range(3):
        assert not bench.count(socket, STEP_MS), "it is reported"


@promise("wait: reports a watched socket that failed")
def wait_failed(bench: "Bench") -> None:
    for read in (True, False):
        socket = bench.reset_pair()
        bench.net.watch(socket, read, not read)
        bench.await_report(socket, "watched for " + ("read" if read else "write") + ", it is not reported")
        bench.until_fails(lambda: bench.net.recv_into(socket, bytearray(1)), "it did not fail")  # noqa: B023


@promise("wait: at most timeout_ms; 0 does not wait")
def wait_in_time(bench: "Bench") -> None:
    bench.in_time(100, bench.net.wait, 100)
    bench.listen()
    _, socket = bench.pair()
    bench.net.watch(socket, True, False)
    for timeout_ms in (0, 1, 100):
        bench.in_time(timeout_ms, bench.net.wait, timeout_ms)


@promise("wait: does not leave out a ready socket, call after call, and has it once")
def wait_levels(bench: "Bench") -> None:
    client, socket = bench.pair()
    bench.net.watch(socket, True, True)
    client.send(b"xy")
    bench.receive(socket, 1)
    for _ in range(10):
        times = bench.count(socket)
        assert times > 0, "it is left out"
        assert times == 1, f"it is there {times} times"


@promise("wait: reports nothing but what is watched")
def wait_own(bench: "Bench") -> None:
    listener = bench.listen()
    client = bench.connect(listener)
    bench.await_report(listener, "the listener is not reported")
    socket, _ = bench.accept(listener)
    bench.net.watch(socket, True, False)
    client.send(b"x")
    bench.await_report(socket, "the socket is not reported")
    for _ in range(10):
        for reported in bench.net.wait(1):
            assert reported is listener or reported is socket, "it reports " + repr(reported)


# -- clock ------------------------------------------------------------------------------------------


@promise("ticks_ms, ticks_diff: time goes forward, in milliseconds, over a wrap too")
def clock(bench: "Bench") -> None:
    ticks, diff = bench.net.ticks_ms, bench.net.ticks_diff
    start = middle = ticks()
    for _ in range(10):
        bench.net.wait(STEP_MS)
        now = ticks()
        assert 0 <= diff(now, middle) <= STEP_MS + bench.late_ms, f"one wait took {diff(now, middle)} ms"
        assert diff(now, start) == diff(now, middle) + diff(middle, start), "the parts do not make the whole"
        assert diff(now, now) == 0 and diff(start, now) == -diff(now, start)
        middle = now
    bench.until(lambda: True if diff(ticks(), start) >= 50 else None, "time stands still")


@promise("limits, if there are any: numbers by the names of Server's arguments")
def limits_named(bench: "Bench") -> None:
    if not hasattr(bench.net, "limits"):
        raise Skip("there are none")
    for name, value in bench.net.limits.items():
        assert name in ("connections", "head", "body", "deadlines", "buffer"), "Server has no " + name
        numbers = list(value.values() if isinstance(value, dict) else value) if name == "deadlines" else [value]
        assert all([number > 0 for number in numbers]), name + " is " + repr(value)


@promise("unix_time, if there is one: seconds since 1970, or None")
def calendar(bench: "Bench") -> None:
    if not hasattr(bench.net, "unix_time"):
        raise Skip("there is none")
    seconds = bench.net.unix_time()
    year_2020 = 1_577_836_800
    assert seconds is None or isinstance(seconds, int) and seconds > year_2020, "unix_time is " + repr(seconds)


@promise("fileno, if there is one: readable when wait would report a socket")
def descriptor(bench: "Bench") -> None:
    if not hasattr(bench.net, "fileno"):
        raise Skip("there is none")
    import select

    def readable() -> "bool | None":
        return True if select.select([bench.net.fileno()], (), (), 0)[0] else None

    client, socket = bench.pair()
    bench.net.watch(socket, True, False)
    assert not readable(), "readable although no socket is ready"
    client.send(b"x")
    bench.until(readable, "not readable although a socket is ready")


@promise("sendfile, if there is one: bytes of a file from start on, 0 behind its end, None when nobody reads")
def file_sent(bench: "Bench") -> None:
    if not hasattr(bench.net, "sendfile"):
        raise Skip("there is none")
    with open(__file__, "rb", 0) as file:  # dialect: asked of CPython's networks only
        whole = file.read()
        client, socket = bench.pair()
        for start, most in ((0, 5), (7, 100)):
            n = bench.until(lambda: bench.net.sendfile(socket, file, start, most), "it takes nothing")  # noqa: B023
            assert 0 < n <= most and bench.read(client, n) == whole[start : start + n], "the peer gets other bytes"
        assert bench.until(lambda: bench.net.sendfile(socket, file, len(whole), 5), "None at the end") == 0
        assert file.tell() == len(whole), "the file's own position has moved"
        for _ in range(_MOST_TAKEN // len(whole)):
            if bench.net.sendfile(socket, file, 0, len(whole)) is None:
                return
        raise AssertionError("sendfile never returns None")
