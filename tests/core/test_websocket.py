"""WebSockets: the handshake, every rule of RFC 6455 about frames, however they are cut, and what handlers see."""

import binascii

from serving import CLOSE, get, hello, raises, serve

from webhal import App, Topic, sleep_ms
from webhal.sse import EventStream
from webhal.testing import TestClient
from webhal.testing.live import frame, handshake
from webhal.topic import Event
from webhal.websocket import websocket

OPENED = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
TEXT, BINARY, CLOSING, PING, PONG = 1, 2, 8, 9, 10
NORMAL = b"\x03\xe8"
PROTOCOL = (CLOSING, b"\x03\xea")
NOT_UTF8 = (CLOSING, b"\x03\xef")
KOSME = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # Greek, as in many a test of UTF-8


def echo(**options):
    app = hello()

    @app.get("/ws")
    @websocket(**options)
    async def talk(request, ws):
        async for message in ws:
            await ws.send(message)

    return app


def frames(data):
    """(opcode, payload) of each frame of a server."""
    found = []
    while data:
        size = data[1]
        start = 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        assert data[0] & 0xF0 == 0x80 and len(data) >= start + size, data
        found.append((data[0] & 15, data[start : start + size]))
        data = data[start + size :]
    return found


def close(code, reason=b""):
    return frame(CLOSING, bytes([code >> 8, code & 255]) + reason)


# What a client sends, without the Close at its end, and what comes, without the answer to that.
GOOD = {
    "empty text": (frame(TEXT), [(TEXT, b"")]),
    "empty binary": (frame(BINARY), [(BINARY, b"")]),
    "text": (frame(TEXT, b"Hello"), [(TEXT, b"Hello")]),
    "125": (frame(TEXT, 125 * b"*"), [(TEXT, 125 * b"*")]),
    "126": (frame(BINARY, 126 * b"\xfe"), [(BINARY, 126 * b"\xfe")]),
    "1000": (frame(BINARY, 1000 * b"\0"), [(BINARY, 1000 * b"\0")]),
    "another mask": (frame(TEXT, b"Hello", mask=b"\0\0\0\0"), [(TEXT, b"Hello")]),
    "several": (
        frame(TEXT, b"a") + frame(BINARY, b"b") + frame(TEXT, b"c"),
        [(TEXT, b"a"), (BINARY, b"b"), (TEXT, b"c")],
    ),
    "ping": (frame(PING), [(PONG, b"")]),
    "ping with 125 bytes": (frame(PING, 125 * b"\xff"), [(PONG, 125 * b"\xff")]),
    "pong that nobody asked for": (frame(PONG, b"payload"), []),
    "fragments": (frame(TEXT, b"Hel", False) + frame(0, b"lo"), [(TEXT, b"Hello")]),
    "empty fragments": (frame(TEXT, b"", False) + frame(0, b"", False) + frame(0, b"a"), [(TEXT, b"a")]),
    "a ping between": (
        frame(TEXT, b"Hel", False) + frame(PING, b"ping") + frame(0, b"lo"),
        [(PONG, b"ping"), (TEXT, b"Hello")],
    ),
    "UTF-8": (frame(TEXT, KOSME), [(TEXT, KOSME)]),
    "UTF-8, cut in a character": (frame(TEXT, KOSME[:3], False) + frame(0, KOSME[3:]), [(TEXT, KOSME)]),
    "U+10FFFF": (frame(TEXT, b"\xf4\x8f\xbf\xbf"), [(TEXT, b"\xf4\x8f\xbf\xbf")]),
    "binary is anything": (frame(BINARY, b"\xff\xc0\x80"), [(BINARY, b"\xff\xc0\x80")]),
}

BAD = {
    "RSV1": (frame(0x41, b"a"), [PROTOCOL]),
    "RSV2": (frame(0x21, b"a"), [PROTOCOL]),
    "RSV3 of a ping": (frame(0x19, b"a"), [PROTOCOL]),
    "RSV after a message": (frame(TEXT, b"a") + frame(0x51, b"b"), [(TEXT, b"a"), PROTOCOL]),
    "opcode 3": (frame(3), [PROTOCOL]),
    "opcode 7": (frame(7, b"a"), [PROTOCOL]),
    "opcode 11": (frame(11), [PROTOCOL]),
    "opcode 15": (frame(15, b"a"), [PROTOCOL]),
    "no mask": (frame(TEXT, b"a", mask=b""), [PROTOCOL]),
    "ping of 126 bytes": (frame(PING, 126 * b"a"), [PROTOCOL]),
    "ping in fragments": (frame(PING, b"a", False), [PROTOCOL]),
    "close in fragments": (frame(CLOSING, NORMAL, False), [PROTOCOL]),
    "continuation of nothing": (frame(0, b"a"), [PROTOCOL]),
    "continuation after a message": (frame(TEXT, b"a") + frame(0, b"b"), [(TEXT, b"a"), PROTOCOL]),
    "text between fragments": (frame(TEXT, b"a", False) + frame(TEXT, b"b"), [PROTOCOL]),
    "2^63 bytes": (b"\x82\xff\x80\0\0\0\0\0\0\0abcd", [PROTOCOL]),
    "2^63 - 1 bytes": (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", [(CLOSING, b"\x03\xf1")]),
    "a length of two bytes that one would do for": (b"\x82\xfe\0\x7dabcd" + 125 * b"a", [PROTOCOL]),
    "a length of eight bytes that two would do for": (b"\x82\xff\0\0\0\0\0\0\xff\xffabcd", [PROTOCOL]),
    "larger than the limit": (frame(BINARY, 2001 * b"a"), [(CLOSING, b"\x03\xf1")]),
    "larger in fragments": (
        frame(BINARY, 1500 * b"a", False) + frame(0, 501 * b"a"),
        [(CLOSING, b"\x03\xf1")],
    ),
    "no UTF-8": (frame(TEXT, b"\xff"), [NOT_UTF8]),
    "longer than it need be": (frame(TEXT, b"\xc0\xaf"), [NOT_UTF8]),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), [NOT_UTF8]),
    "beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), [NOT_UTF8]),
    "a character that is cut": (frame(TEXT, KOSME[:1]), [NOT_UTF8]),
    "no UTF-8 in fragments": (frame(TEXT, b"a", False) + frame(0, b"\xed\xa0"), [NOT_UTF8]),
    "close of one byte": (frame(CLOSING, b"\x03"), [PROTOCOL]),
    "close with no UTF-8": (frame(CLOSING, NORMAL + b"\xff"), [NOT_UTF8]),
}
for _code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
    BAD["close with %d" % _code] = (close(_code), [PROTOCOL])
for _code in (1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4999):
    BAD["close with %d" % _code] = (close(_code, b"bye"), [(CLOSING, bytes([_code >> 8, _code & 255]))])
BAD["close without a code"] = (frame(CLOSING), [(CLOSING, b"")])
BAD["nothing after a close"] = (close(1000) + frame(TEXT, b"a"), [(CLOSING, NORMAL)])


def check(name, data, expected, pieces):
    with serve(echo(limit=2000), buffer=512) as bench:
        client = bench.connect(handshake("/ws"))
        bench.until(lambda: client.received.endswith(OPENED))
        client.read()
        for piece in pieces(data):
            client.send(piece)
            if len(data) < 400:
                bench.server.step()
        bench.until(lambda: client.state != "open")
        assert frames(client.received) == expected, (name, client.received)
        client.close()


def whole(data):
    return [data]


def bytewise(data):
    return [data[place : place + 1] for place in range(len(data))]


def test_frames_that_are_good():
    for name in GOOD:
        data, expected = GOOD[name]
        for pieces in (whole, bytewise) if len(data) < 400 else (whole,):
            check(name, data + close(1000), expected + [(CLOSING, NORMAL)], pieces)


def test_frames_that_end_it():
    for name in BAD:
        data, expected = BAD[name]
        for pieces in (whole, bytewise) if len(data) < 60 else (whole,):
            check(name, data, expected, pieces)


def test_the_handshake():
    client = TestClient(echo(protocols=("b", "a")))
    good = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for name, value, status in (
        ("Upgrade", None, 426),
        ("Upgrade", "h2c", 426),
        ("Connection", "close", 426),
        ("Sec-WebSocket-Version", None, 426),
        ("Sec-WebSocket-Version", "8", 426),
        ("Sec-WebSocket-Key", None, 400),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j", 400),
        ("Sec-WebSocket-Key", "????????????????????????", 400),
        ("Origin", "http://evil", 403),
        ("Origin", "null", 403),
    ):
        fields = good.copy()
        if value is None:
            del fields[name]
        else:
            fields[name] = value
        response = client.get("/ws", headers=fields)
        assert response.status == status, (name, value)
        assert (response.headers.get("upgrade") == "websocket") == (status == 426)
        assert (response.headers.get("sec-websocket-version") == "13") == (name == "Sec-WebSocket-Version")
    assert client.post("/ws", headers=good).status == 405
    for fields in (
        {"Upgrade": "h2c, WebSocket", "Connection": "keep-alive, upgrade"},
        {"Origin": "http://testserver"},
        {"Origin": "HTTP://TESTSERVER"},
    ):
        ws = client.websocket("/ws", fields, ("a", "b", "c"))
        assert ws.protocol == "b"
        ws.close()
    assert client.websocket("/ws", {}, ("c",)).protocol == ""
    for origins, origin, good in ((["https://a"], "https://a", 1), (["https://a"], "http://a", 0), (["*"], "x://y", 1)):
        other = TestClient(echo(origins=origins))
        if good:
            other.websocket("/ws", {"Origin": origin}).close()
        else:
            assert "403" in str(raises(ValueError, other.websocket, "/ws", {"Origin": origin}))


def test_a_handler_s_end_closes_it():
    app = App()

    @app.get("/<name>")
    @websocket
    async def talk(request, ws, name):
        await ws.send(name)
        if name == "fault":
            raise ValueError("see the log")
        if name == "closes":
            await ws.close(4000, "enough")
            raises(OSError, ws.send, "more")
            assert ws.closed and await ws.receive() is None

    client = TestClient(app, raise_errors=False)
    for name, code, reason in (("ends", 1000, ""), ("fault", 1011, ""), ("closes", 4000, "enough")):
        ws = client.websocket("/" + name)
        assert ws.receive() == name and ws.receive() is None
        assert (ws.code, ws.reason) == (code, reason)


def test_what_a_handler_may_not():
    app = App()
    seen = []

    @app.get("/")
    @websocket
    async def talk(request, ws):
        for wrong in (None, 5, {}):
            raises(TypeError, ws.send, wrong)
        for code in (0, 999, 1005, 1006, 1015, 2999, 5000):
            raises(ValueError, ws.close, code)
        raises(ValueError, ws.close, 1000, 124 * "x")
        seen.append("all")

    ws = TestClient(app).websocket("/")
    ws.receive()
    assert seen == ["all"]


def test_what_the_client_said_when_it_left():
    app = App()
    seen = []

    @app.get("/")
    @websocket
    async def talk(request, ws):
        async for _message in ws:
            pass
        seen.append((ws.code, ws.reason, ws.closed))

    with serve(app) as bench:
        for last in (close(4001, b"bye"), frame(CLOSING), None):
            client = bench.connect(handshake("/"))
            bench.until(lambda client=client: client.received.endswith(OPENED))
            if last:
                client.send(last)
            else:
                client.reset()
            bench.until(lambda: not bench.server.jobs)
            client.close()
    assert seen == [(4001, "bye", True), (1005, "", True), (1006, "", True)]


def test_a_handler_that_waits_for_something_else_is_cancelled_when_the_client_leaves():
    app = App()
    topic = Topic()
    seen = []

    @app.get("/")
    @websocket
    async def talk(request, ws):
        try:
            async for value in topic:
                await ws.send(value)
        finally:
            await sleep_ms(10)
            seen.append("end")

    with serve(app) as bench:
        for last in (b"", close(1000), frame(3)):
            client = bench.connect(handshake("/"))
            bench.until(lambda: topic.waiting)
            topic.publish("live")
            bench.until(lambda client=client: client.received.endswith(b"\x81\x04live"))
            if last:
                client.send(last)
            else:
                client.reset()
            bench.until(lambda: not bench.server.jobs and not topic.waiting)
            client.close()
            bench.quiet()
    assert seen == ["end", "end", "end"]


def test_a_handler_that_waits_for_something_else_is_cancelled_when_others_close():
    app = App()
    topic = Topic()
    never = Event()
    talking = {}
    seen = []

    @app.get("/<name>")
    @websocket
    async def talk(request, ws, name):
        talking[name] = ws
        try:
            if name == "sleep":
                await sleep_ms(1_000_000)
            elif name == "topic":
                await topic.__aiter__()
            elif name == "event":
                await never.wait()
            else:
                await ws.receive()
            seen.append(name)
            await sleep_ms(10)
            seen.append(name + " goes on")
        finally:
            await sleep_ms(10)
            seen.append(name + " ends")

    @app.get("/close/<name>")
    async def end(request, name):
        await talking[name].close(4000, "enough")
        return "closed"

    with serve(app) as bench:
        for name in ("sleep", "topic", "event", "receive"):
            client = bench.connect(handshake("/" + name))
            bench.until(lambda name=name: name in talking)
            bench.run(10)
            assert bench.ask(get("/close/" + name, CLOSE)).endswith(b"closed")
            bench.run(50)
            assert not bench.server.jobs and not topic.waiting and not never.waiting
            client.send(close(4000))
            bench.until(lambda client=client: client.state != "open")
            client.close()
    assert seen == ["sleep ends", "topic ends", "event ends", "receive", "receive goes on", "receive ends"]


def test_a_handler_that_sends_is_told_that_the_client_has_left():
    app = App()
    topic = Topic()
    seen = []

    @app.get("/<name>")
    @websocket
    async def talk(request, ws, name):
        try:
            async for value in topic:
                sent = ws.send(value)
                if name == "awaits":
                    await sent
        except OSError:
            assert ws.closed
            seen.append(name)
            raise

    with serve(app, buffer=512) as bench:
        client = bench.connect(handshake("/awaits"))
        bench.until(lambda: topic.waiting)
        client.window = 300
        topic.publish(1000 * "x")
        bench.run(100)
        client.reset()
        bench.until(lambda: seen == ["awaits"] and not bench.server.jobs)
        client.close()
        client = bench.connect(handshake("/goes_on"))
        bench.until(lambda: topic.waiting and client.received.endswith(OPENED))
        bench.net.fail("send", 1, OSError("it failed"))
        topic.publish("x")
        bench.until(lambda: seen == ["awaits", "goes_on"] and not bench.server.jobs)
        client.close()


def test_a_def_handler_sets_what_is_called():
    app = App()
    seen = []

    @app.get("/")
    @websocket
    def talk(request, ws):
        ws.on_message = lambda message: ws.send(message.upper())
        ws.on_close = lambda ws: seen.append(ws.code)

    client = TestClient(app)
    ws = client.websocket("/")
    for text in ("a", "b"):
        ws.send(text)
    assert [ws.receive(), ws.receive()] == ["A", "B"]
    ws.close(1001)
    assert seen == [1001]
    with serve(app) as bench:
        peer = bench.connect(handshake("/") + frame(TEXT, b"early") + frame(TEXT, b"bird"))
        bench.until(lambda: peer.received.endswith(b"\x81\x05EARLY\x81\x04BIRD"))
        peer.close()


def test_what_was_sent_goes_before_the_close():
    app = App()

    @app.get("/")
    @websocket
    def talk(request, ws):
        def answer(message):
            for text in ("~" * 1000, "b", "c"):
                ws.send(text)
            ws.close()

        ws.on_message = answer

    with serve(app, buffer=512) as bench:
        client = bench.connect(handshake("/") + frame(TEXT, b"a"))
        client.window = 300
        bench.run(1000)
        client.window = None
        bench.until(lambda: client.state != "open")
        assert client.received.endswith(b"~\x81\x01b\x81\x01c\x88\x02" + NORMAL)
        client.close()


def test_a_fault_in_what_is_called():
    app = App()

    @app.get("/")
    @websocket
    def talk(request, ws):
        ws.on_message = lambda message: message.nothing

    client = TestClient(app, raise_errors=False)
    ws = client.websocket("/")
    ws.send("a")
    assert ws.receive() is None and ws.code == 1011


def test_who_is_silent_is_asked_and_who_does_not_answer_is_lost():
    with serve(echo(ping=5)) as bench:
        alive = bench.connect(handshake("/ws"))
        dead = bench.connect(handshake("/ws"))
        bench.until(lambda: dead.received.endswith(b"\x89\0") and alive.received.endswith(b"\x89\0"))
        alive.send(frame(PONG))
        bench.until(lambda: dead.state == "ended" or dead.state == "reset")
        assert alive.state == "open" and 9_000 <= bench.net.now <= 11_000
        dead.close()
        alive.close()
        bench.until(lambda: not bench.server.slots and not bench.server.clock)


def test_who_answers_is_not_lost_while_a_handler_takes_its_time():
    app = App()
    seen = []

    @app.get("/")
    @websocket(ping=5)
    async def talk(request, ws):
        async for message in ws:
            seen.append(message)
            await sleep_ms(20_000)

    with serve(app) as bench:
        client = bench.connect(handshake("/") + frame(TEXT, b"a") + frame(TEXT, b"b"))
        bench.run(21_000)
        assert seen == ["a", "b"] and client.state == "open"
        client.close()


def test_who_does_not_read_is_bounded_and_closed():
    app = hello()

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        while True:
            await ws.send(100 * "x")

    @app.get("/careless")
    @websocket
    async def careless(request, ws):
        count = 0
        try:
            while count < 1000:
                ws.send(100 * "x")
                count += 1
        except OSError:
            assert not ws.closed and count < 30
            raise

    with serve(app, connections=8, buffer=512) as bench:
        for path in ("/ws", "/careless"):
            stuck = bench.connect(handshake(path))
            bench.until(lambda: bench.server.slots)
            stuck.window = 300
            start = bench.net.now
            bench.run(3000)
            assert bench.ask(get("/", CLOSE)).endswith(b"hello")
            bench.until(lambda: not bench.server.slots)
            assert bench.net.now - start < 13_000
            bench.until(lambda: not bench.server.jobs)
            stuck.close()
        assert bench.take_log() == ["OSError"]


def test_a_link_that_is_lost_while_frames_wait():
    app = App()
    topic = Topic()
    ended = []

    @app.get("/")
    @websocket
    async def talk(request, ws):
        try:
            async for value in topic:
                ws.send(value)
                await ws.send(value)
        finally:
            ended.append(len(ws.waiting))

    app.get("/events")(lambda request: EventStream(topic))
    with serve(app, buffer=512) as bench:
        for life in range(2):
            clients = [bench.connect(handshake("/")) for _ in range(2)] + [bench.connect(get("/events"))]
            bench.until(lambda: len(topic.waiting) == 3)
            for client in clients[1:]:
                client.window = 100
            topic.publish(1000 * "x")
            bench.run(100)
            bench.net.lose_link()
            bench.until(lambda: not bench.server.slots and not bench.server.jobs and not bench.server.listener)
            assert not topic.waiting and len(ended) == 2 * life + 2 and max(ended) > 0
            bench.net.restore_link()
            bench.until(lambda: bench.server.listener)


def test_answers_to_what_came_at_once_leave_at_once():
    app = hello()

    @app.get("/async")
    @websocket
    async def talk(request, ws):
        async for message in ws:
            await ws.send(message)
            await ws.send("!")

    @app.get("/def")
    @websocket
    def called(request, ws):
        ws.on_message = lambda message: (ws.send(message), ws.send("!"))

    data = b"".join([frame(TEXT, b"%d" % n) for n in range(20)])
    expected = [(TEXT, text) for n in range(20) for text in (b"%d" % n, b"!")]
    with serve(app, harsh=False, buffer=512) as bench:
        for path in ("/async", "/def"):
            for most in (None, 7, 30) if path == "/async" else (None,):  # bytes that the client takes at a time
                client = bench.connect(handshake(path))
                bench.until(lambda client=client: client.received.endswith(OPENED))
                client.read()
                before = bench.net.calls["send"]
                client.window = most
                client.send(data)
                received = b""
                while len(received) < len(b"".join([b"xx" + text for _, text in expected])):
                    bench.run(10)
                    received += client.read()
                    client.window = most
                assert frames(received) == expected
                assert most or bench.net.calls["send"] - before < 6
                client.close()


def test_a_flood_of_pings_costs_its_own_connection():
    with serve(echo(), buffer=512, connections=8) as bench:
        client = bench.connect(handshake("/ws"))
        bench.until(lambda: client.received.endswith(OPENED))
        client.read()
        client.send(500 * frame(PING, b"a"))
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")
        client.send(frame(TEXT, b"last"))
        bench.until(lambda: client.received.endswith(b"\x81\x04last"))
        client.close()


def test_input_that_ends_within_a_frame_s_head_is_read_on():
    count = [0]
    app = App()

    @app.get("/")
    @websocket
    async def talk(request, ws):
        while await ws.receive() is not None:
            count[0] += 1

    with serve(app, harsh=False, buffer=512, head=500) as bench:
        client = bench.connect(handshake("/"))
        bench.run(100)
        client.send(300 * frame(TEXT))  # of 6 bytes
        bench.run(1000)
        assert count == [300]
        client.close()


def test_a_flood_of_messages_leaves_the_others_their_turns():
    count = [0]
    app = App()

    @app.get("/")
    @websocket
    async def talk(request, ws):
        while await ws.receive() is not None:
            count[0] += 1

    with serve(app, harsh=False) as bench:
        client = bench.connect(handshake("/") + 200 * frame(TEXT))
        before = 0
        while count[0] < 200:
            bench.server.step(1)
            assert count[0] - before <= 128 and len(bench.server.again) <= 2
            before = count[0]
        client.close()


def test_a_server_that_stops_says_so():
    app = echo()
    seen = []

    @app.get("/other")
    @websocket
    async def other(request, ws):
        try:
            await sleep_ms(1_000_000)
        finally:
            seen.append("end")

    with serve(app) as bench:
        clients = [bench.connect(handshake(path)) for path in ("/ws", "/other")]
        bench.until(lambda: all([client.received.endswith(OPENED) for client in clients]))
        bench.server.stop()
        start = bench.net.now
        bench.server.run()
        assert all([client.received.endswith(b"\x88\x02\x03\xe9") for client in clients])
        assert bench.net.now - start < 5000 and seen == ["end"]


def test_before_hooks_and_mounted_applications():
    app = App()
    inner = echo()
    app.mount("/inner", inner)

    @app.before_request
    def hook(request):
        if request.args.get("key") != "right":
            return "no", 401

    client = TestClient(app)
    ws = client.websocket("/inner/ws?key=right")
    ws.send("a")
    assert ws.receive() == "a"
    assert "401" in str(raises(ValueError, client.websocket, "/inner/ws"))


def test_the_accept_of_the_rfc():
    with serve(echo()) as bench:
        client = bench.connect(handshake("/ws"))
        bench.until(lambda: client.received.endswith(OPENED))
        assert client.received.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert binascii.a2b_base64(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        client.close()


def test_whatever_fails_costs_its_own_connection():
    app = echo()
    topic = Topic()
    app.get("/events")(lambda request: EventStream(topic))
    for operation in ("send", "recv_into", "watch"):
        for nth in range(1, 14):
            with serve(app, connections=8, buffer=512) as bench:
                bench.net.fail(operation, nth, OSError("it failed"))
                for request in (handshake("/ws") + frame(TEXT, b"a"), get("/events")):
                    client = bench.connect(request)
                    bench.run(20)
                    topic.publish("live")
                    bench.run(20)
                    client.close()
                assert bench.ask(get("/", CLOSE)).endswith(b"hello") or bench.ask(get("/", CLOSE)).endswith(b"hello")
                bench.until(lambda: not topic.waiting)
                bench.take_log()
