"""Request bodies that a handler reads piece by piece: echo, back-pressure, deadlines, bodies that nobody reads."""

from serving import body_of, chunks, get, serve

from webhal import App, sleep_ms
from webhal.testing import TestClient


def echo():
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        while True:
            piece = await request.read(100)
            if not piece:
                return
            yield piece

    @app.post("/count", stream=True)
    async def count(request):
        total = 0
        while True:
            piece = await request.read(50)
            total += len(piece)
            assert len(piece) <= 50
            if not piece:
                return str(total)

    @app.post("/ignore", stream=True)
    def ignore(request):
        return "not read"

    @app.post("/slow", stream=True)
    async def slow(request):
        total = 0
        while True:
            piece = await request.read()
            total += len(piece)
            if not piece:
                return str(total)
            await sleep_ms(3000)

    app.get("/")(lambda request: "hello")
    return app


def joined(data):
    """The body that chunks carry."""
    body = b""
    while data:
        end = data.find(b"\r\n")
        size = int(data[:end], 16)
        body += data[end + 2 : end + 2 + size]
        data = data[end + 4 + size :]
    return body


def test_echo_in_a_stream():
    body = bytes(range(256)) * 4
    length = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n" + body
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(body[:700], body[700:])
    for data in (length, chunked):
        for seed in range(4):
            with serve(echo(), seed, body=10, buffer=128) as bench:
                client = bench.connect()
                for i in range(0, len(data), 90):
                    client.send_later(i, data[i : i + 90])
                client.send_later(3000, get())
                bench.until(lambda client=client: client.received.endswith(b"hello"))
                answer = client.received
                assert joined(body_of(answer[: answer.find(b"\r\n0\r\n\r\n") + 7])) == body


def test_a_large_upload_takes_little_memory():
    with serve(echo(), body=10, buffer=256) as bench:
        client = bench.connect(b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        most = 0
        for _ in range(300):
            client.send(b"1f\r\n" + b"x" * 31 + b"\r\n")
            bench.server.step(10)
            for connection in bench.server.slots.values():
                most = max(most, len(connection.input))
            assert len(bench.server.again) <= 1
        client.send(b"0\r\n\r\n")
        bench.until(lambda: client.received.endswith(b"9300"))
        assert most <= 1024 + 2 * 256, most


def test_input_that_nobody_reads_waits_outside():
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        await sleep_ms(1000)
        return "done"

    for ms in (0, 300):
        with serve(app, buffer=128) as bench:
            client = bench.connect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n")
            client.send_later(ms, b"x" * 2000)
            bench.run(600)
            (connection,) = bench.server.slots.values()
            assert len(connection.input) <= 2 * 128, ms
            bench.until(lambda client=client: client.state == "ended")
            assert client.received.endswith(b"done") and b"Connection: close" in client.received
            client.close()


def test_a_body_that_is_not_read_closes_the_connection_after_the_answer():
    for seed in (1, 2, 3):
        with serve(echo(), seed) as bench:
            client = bench.connect(b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"x" * 2000)
            bench.until(lambda client=client: client.state == "ended")
            assert client.received.endswith(b"not read") and b"Connection: close" in client.received
            client.close()


def test_nor_does_one_that_is_not_read_spoil_an_answer_in_pieces():
    app = App()
    app.post("/iterator", stream=True)(lambda request: iter(["a", "b"]))

    @app.post("/generator", stream=True)
    def generator(request):
        yield "a"
        yield "b"

    for path in (b"/iterator", b"/generator"):
        with serve(app) as bench:
            head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n"
            client = bench.connect(head + b"x" * 2000)
            bench.until(lambda client=client: client.state == "ended")
            assert client.received.count(b"HTTP/1.1") == 1 and client.received.endswith(chunks(b"a", b"b"))
            client.close()


def test_100_continue_for_who_streams():
    with serve(echo(), body=10) as bench:
        client = bench.connect(
            b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        bench.until(lambda: client.received == b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"x" * 100)
        bench.until(lambda: client.received.endswith(b"\r\n\r\n100"))


def test_a_bad_chunk_in_a_streamed_body():
    head = b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for seed in (1, 2, 3):
        with serve(echo(), seed) as bench:
            answer = bench.ask(head + b"3\r\nabc\r\nnonsense\r\n")
            assert answer.startswith(b"HTTP/1.1 400 ") and b"Connection: close" in answer
            answer = bench.ask(head.replace(b"/count", b"/") + b"3\r\nabc\r\nnonsense\r\n")
            assert answer.endswith(b"\r\n\r\n3\r\nabc\r\n") and bench.take_log() == ["HTTPError"]


def test_the_deadline_of_a_streamed_body_is_a_total_with_a_millisecond_for_each_byte():
    head = b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    with serve(echo(), deadlines=(1, 5, 1, 1)) as bench:
        drip = bench.connect(head)
        fair = bench.connect(head)
        for second in range(1, 20):
            bench.net.at(1000 * second, lambda: drip.state == "open" and drip.send(b"x"))
            bench.net.at(1000 * second, lambda: fair.send(b"x" * 900))
        bench.run(4900)
        assert drip.state == fair.state == "open"
        bench.run(1200)
        assert drip.state == "ended" and drip.received.startswith(b"HTTP/1.1 408 ")
        drip.close()
        bench.run(12000)
        assert fair.state == "open"
        bench.net._events.clear()
        fair.close()


def test_the_deadline_holds_where_the_handler_answers_meanwhile():
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    with serve(echo(), deadlines=(1, 5, 1, 1)) as bench:
        drip = bench.connect(head)
        fair = bench.connect(head)
        for second in range(1, 12):
            bench.net.at(1000 * second, lambda: drip.state == "open" and drip.send(b"x"))
            bench.net.at(1000 * second, lambda: fair.send(b"x" * 900))
        bench.run(4900)
        assert drip.state == fair.state == "open" and drip.received.endswith(b"1\r\nx\r\n" * 4)
        bench.run(1200)
        assert drip.state != "open" and drip.received.count(b"HTTP/1.1") == 1
        bench.run(4000)
        assert fair.state == "open"
        bench.net._events.clear()
        fair.close()


def test_a_handler_whose_upload_is_refused_is_cancelled():
    """By webhal, not by whoever collects garbage: its `finally` runs to its end."""
    app = App()
    seen = []

    @app.post("/", stream=True)
    async def handler(request):
        try:
            while await request.read():
                pass
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        finally:
            await sleep_ms(100)
            seen.append("end")

    with serve(app, deadlines=(1, 2, 1, 1)) as bench:
        answer = bench.ask(get(method="POST", body=b"12345")[:-1])
        assert answer.startswith(b"HTTP/1.1 408 ") and b"Connection: close\r\n" in answer
        bench.run(200)
        assert seen == ["Cancelled", "end"]


def test_a_streaming_upload_in_a_mounted_application_only():
    inner = echo()
    app = App()
    app.mount("/in", inner)
    app.post("/whole")(lambda request: str(len(request.body)))
    for seed in range(3):
        with serve(app, seed, body=10) as bench:
            client = bench.connect(get("/in/count", method="POST", body=b"x" * 500))
            bench.until(lambda client=client: client.received.endswith(b"500"))
            assert client.read().startswith(b"HTTP/1.1 200 OK\r\n")
            client.send(get("/in/", method="POST", body=b"y" * 500))
            bench.until(lambda client=client: client.received.endswith(b"\r\n0\r\n\r\n"))
            assert joined(body_of(client.received)) == b"y" * 500
            client.send(get("/whole", method="POST", body=b"x" * 11))
            bench.until(lambda client=client: client.state == "ended")
            assert b"HTTP/1.1 413 " in client.received
            client.close()


def test_a_slow_handler_does_not_cost_its_client_the_deadline():
    with serve(echo(), harsh=False, deadlines=(1, 5, 1, 1)) as bench:
        client = bench.connect(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n")
        for i in range(3):
            client.send_later(4400 * i, b"x" * 100)
        bench.until(lambda: client.state == "ended" or client.received.endswith(b"300"))
        assert client.received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_handler_may_run_long_after_it_read_the_body():
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        while await request.read():
            pass
        await sleep_ms(30000)
        return "done"

    with serve(app) as bench:
        client = bench.connect(get(method="POST", body=b"x" * 50)[:-10])
        client.send_later(500, b"x" * 10)
        bench.until(lambda: client.state == "ended" or client.received.endswith(b"done"))
        assert client.received.startswith(b"HTTP/1.1 200 OK\r\n") and bench.net.now > 30000


def test_a_handler_that_was_woken_by_input_wakes_again():
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        first = await request.read()
        yield first
        await sleep_ms(200)
        yield await request.read()
        await sleep_ms(200)
        yield "end"

    for seed in range(8):
        with serve(app, seed) as bench:
            client = bench.connect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
            client.send_later(100, b"1")
            client.send_later(150, b"2")
            bench.until(lambda client=client: client.received.endswith(b"3\r\nend\r\n0\r\n\r\n"))
            assert bench.net.now < 1500


def test_reading_a_body_that_is_there_whole():
    app = App()

    @app.post("/")
    async def handler(request):
        return [len(await request.read()), len(request.body)]

    assert TestClient(app).post("/", body="12345").json()[1] == 5


def test_a_large_answer_after_waiting_for_input():
    """A handler that waited in the server's list, and then has an answer of two parts."""
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        while await request.read():
            pass
        return "~" * 1500

    for seed in range(8):
        with serve(app, seed) as bench:
            client = bench.connect(get(method="POST", body=b"12345")[:-1])
            client.send_later(200, b"5")
            client.window = 700
            bench.run(500)
            client.window = None
            bench.until(lambda client=client: client.received.count(b"~") == 1500)


def test_a_body_that_does_not_come_after_the_answer_began():
    with serve(echo(), deadlines=(1, 2, 1, 1)) as bench:
        client = bench.connect(get(method="POST", body=b"12345")[:-2])
        bench.run(4000)
        assert client.state != "open" and joined(body_of(client.received) + b"0\r\n\r\n") == b"123"
