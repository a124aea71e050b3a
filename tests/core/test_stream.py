"""Answers in pieces, handlers that outlive a step, bodies that are read piece by piece; who leaves ends them."""

from serving import CLOSE, body_of, chunks, get, serve

from webhal import App, Response, sleep_ms
from webhal.testing import TestClient


class Pieces:
    """An iterator that is no generator; `close` is called at the end, as a file's is."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if not self.pieces:
            raise StopIteration
        return self.pieces.pop(0)

    def close(self):
        self.closed += 1


class Waiting:
    """An asynchronous iterator that is no generator; one of its awaitables is none that could be thrown into."""

    def __init__(self, count):
        self.count = count

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.count:
            raise StopAsyncIteration
        self.count -= 1
        await sleep_ms(10)
        return "x"


def generator(request):
    yield "a"
    yield b"\x00\xff"
    yield ""
    yield bytearray(b"b")
    yield memoryview(b"cd")
    yield "ü"


async def asynchronous(request):
    yield "a"
    await sleep_ms(5)
    yield b"b" * 300
    await sleep_ms(0)


def test_pieces_are_sent_in_chunks():
    app = App()
    app.get("/generator")(generator)
    app.get("/async")(asynchronous)
    app.get("/iterator")(lambda request: Pieces(["a", b"b"]))
    app.get("/aiter")(lambda request: Waiting(3))
    app.get("/nested")(lambda request: Response(generator(request), 201, {"X-A": "b"}))
    app.get("/empty")(lambda request: iter([]))
    expected = {
        "/generator": chunks(b"a", b"\x00\xff", b"b", b"cd", "ü".encode()),
        "/async": chunks(b"a", b"b" * 300),
        "/iterator": chunks(b"a", b"b"),
        "/aiter": chunks(b"x", b"x", b"x"),
        "/nested": chunks(b"a", b"\x00\xff", b"b", b"cd", "ü".encode()),
        "/empty": b"",
    }
    for seed in (1, 2, 3):
        for path in expected:
            with serve(app, seed) as bench:
                answer = bench.ask(get(path, CLOSE))
                head = answer[: answer.find(b"\r\n\r\n")]
                assert body_of(answer) == expected[path], path
                assert (b"\r\nTransfer-Encoding: chunked" in head) == (path != "/empty")
                assert b"\r\nContent-Length" not in head or path == "/empty"
                assert head.startswith(b"HTTP/1.1 201 Created\r\n" if path == "/nested" else b"HTTP/1.1 200 OK\r\n")
                assert (b"\r\nX-A: b" in head) == (path == "/nested")


def test_a_first_piece_may_be_empty():
    app = App()
    app.get("/text")(lambda request: iter(["", b"a", "", "b"]))
    app.get("/bytes")(lambda request: iter([b"", "a"]))
    app.get("/nothing")(lambda request: iter(["", ""]))
    app.get("/promise")(lambda request: Response(iter(["", "ab", ""]), 200, {"Content-Length": "2"}))
    bodies = {"/text": [b"a", b"b"], "/bytes": [b"a"], "/nothing": [], "/promise": [b"ab"]}
    for path in bodies:
        for version in ("1.1", "1.0"):
            for seed in range(3):
                with serve(app, seed) as bench:
                    answer = bench.ask(get(path, CLOSE, version=version))
                    framed = version == "1.0" or path == "/promise"
                    assert body_of(answer) == (b"".join(bodies[path]) if framed else chunks(*bodies[path])), path
                    kind = b"application/octet-stream" if path == "/bytes" else b"text/html; charset=utf-8"
                    assert b"\r\nContent-Type: " + kind + b"\r\n" in answer
                    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 1


def test_the_kind_is_that_of_the_first_piece_unless_it_is_said():
    app = App()
    app.get("/text")(lambda request: iter(["a", b"b"]))
    app.get("/bytes")(lambda request: iter([b"a", "b"]))
    app.get("/said")(lambda request: Response(iter([b"a"]), 200, {"content-type": "text/plain"}))
    client = TestClient(app)
    assert client.get("/text").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/bytes").headers["content-type"] == "application/octet-stream"
    assert client.get("/said").headers.getlist("content-type") == ["text/plain"]


def test_the_connection_is_kept_after_a_stream():
    app = App()
    app.get("/")(generator)
    app.get("/async")(asynchronous)
    for seed in range(5):
        with serve(app, seed) as bench:
            client = bench.connect(get() + get("/async") + get())
            bench.until(lambda client=client: client.received.count(b"\r\n0\r\n\r\n") == 3)
            bench.run(100)
            assert client.state == "open" and client.received.count(b"200 OK") == 3


def test_1_0_gets_the_stream_until_the_end_of_the_connection():
    app = App()
    app.get("/")(generator)
    for fields in ("", "Connection: keep-alive\r\n"):
        for seed in (1, 2):
            with serve(app, seed) as bench:
                answer = bench.ask(get("/", fields, version="1.0"))
                assert body_of(answer) == b"a\x00\xffbcd" + "ü".encode()
                assert b"Transfer-Encoding" not in answer and b"Connection: close\r\n" in answer


def test_a_promised_length_is_kept():
    app = App()
    app.get("/")(lambda request: Response(iter(["ab", "c"]), 200, {"Content-Length": "3"}))
    for version in ("1.0", "1.1"):
        with serve(app) as bench:
            client = bench.connect(get("/", "Connection: keep-alive\r\n", version=version) * 2)
            bench.until(lambda client=client: client.received.count(b"\r\n\r\nabc") == 2)
            assert b"Transfer-Encoding" not in client.received and client.received.count(b"Content-Length: 3\r\n") == 2
            bench.run(100)
            assert client.state == "open"


def test_a_promise_that_is_broken():
    app = App()
    values = {
        "short": (["ab"], "3"),
        "long": (["ab", "cd"], "3"),
        "empty": ([], "3"),
        "first": (["abcd"], "3"),
        "none": (["a"], "many"),
        "negative": (["a"], "-1"),
    }
    app.get("/<name>")(lambda request, name: Response(iter(values[name][0]), 200, {"Content-Length": values[name][1]}))
    for name in values:
        with serve(app) as bench:
            answer = bench.ask(get("/" + name))
            assert bench.take_log() == ["ValueError"], name
            if name in ("short", "long"):  # the client sees that its connection ends too early
                assert answer.endswith(b"\r\n\r\nab") and answer.count(b"HTTP/1.1") == 1
            else:
                assert answer.startswith(b"HTTP/1.1 500 ") and answer.count(b"HTTP/1.1") == 1, name


def test_head_of_a_stream_runs_it_to_its_first_piece():
    app = App()
    ended = []

    def pieces(request):
        try:
            yield "first"
            ended.append("went on")
            yield "second"
        finally:
            ended.append("end")

    async def late(request):
        await sleep_ms(50)
        for piece in pieces(request):
            yield piece

    app.get("/")(pieces)
    app.get("/late")(late)
    app.get("/promise")(lambda request: Response(iter(["ab"]), 200, {"Content-Length": "2"}))
    app.get("/empty")(lambda request: iter([]))
    for seed in (1, 2, 3):
        with serve(app, seed) as bench:
            client = bench.connect()
            for path in ("/", "/late", "/promise", "/empty"):
                client.send(get(path, method="HEAD"))
                bench.until(lambda client=client: client.received.endswith(b"\r\n\r\n"))
                answer = client.read()
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.count(b"\r\n\r\n") == 1
                assert (b"Transfer-Encoding: chunked" in answer) == (path in ("/", "/late"))
                assert (b"Content-Length: 2\r\n" in answer) == (path == "/promise")
            assert "went on" not in ended


def test_back_pressure():
    app = App()
    made = []

    @app.get("/")
    def pieces(request):
        for n in range(20):
            made.append(n)
            yield b"x" * 50

    for seed in range(3):
        with serve(app, seed) as bench:
            made.clear()
            client = bench.connect(get())
            client.window = 200
            bench.run(3000)
            assert len(made) <= 3
            client.window += 150
            bench.run(100)
            assert 3 <= len(made) <= 6
            client.window = None
            bench.until(lambda client=client: client.received.endswith(b"\r\n0\r\n\r\n"))
            assert client.received.count(b"x") == 1000


class Bare(Waiting):
    def __anext__(self):
        return sleep_ms(10)


def test_an_asynchronous_iterator_that_cannot_be_thrown_into():
    app = App()
    app.get("/")(lambda request: Bare(1))
    with serve(app) as bench:
        client = bench.connect(get())
        bench.until(lambda: bench.server.clock)
        client.close()
        bench.run(100)
        assert not bench.server.slots


def test_after_a_large_answer_on_the_same_connection():
    app = App()
    app.get("/large")(lambda request: "~" * 3000)
    app.get("/pieces")(lambda request: iter(["a", "b"]))
    with serve(app) as bench:
        for path in ("/large", "/pieces"):
            answer = bench.ask(get(path) + get("/pieces", "Connection: close\r\n"))
            assert answer.count(b"HTTP/1.1 200 OK") == 2 and answer.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), answer


class File:
    """A file that notes how it is read; by lines it must not be."""

    def __init__(self, data, fails_after=-1):
        self.data = data
        self.reads = []
        self.closed = 0
        self.fails_after = fails_after

    def read(self, most=-1):
        if len(self.reads) == self.fails_after:
            raise OSError("cannot be read")
        self.reads.append(most)
        piece, self.data = self.data[:most], self.data[most:]
        return piece

    def __iter__(self):
        return self

    def __next__(self):
        raise AssertionError("read by lines")

    def close(self):
        self.closed += 1


def test_a_file_is_sent_in_pieces_of_the_buffer_s_size_and_closed():
    data = b"\n" + b"x" * 999 + b"\n" * 1000
    for size in (64, 512, 4096):
        for headers in (None, {"Content-Length": len(data), "X-A": "b"}):
            app = App()
            file = File(data)
            app.get("/")(lambda request, file=file, headers=headers: Response(file, 200, headers))
            response = TestClient(app, buffer=size).get("/")
            assert response.body == data and response.headers["Content-Type"] == "application/octet-stream"
            most = file.reads[0]
            assert size - 20 <= most <= size and set(file.reads) == {most}
            assert len(file.reads) == -(-len(data) // most) + 1 and file.closed == 1


def test_a_file_is_closed_whatever_becomes_of_the_answer():
    def answered(file, method="GET", leave=False):
        app = App()
        app.get("/")(lambda request: file)
        with serve(app) as bench:
            client = bench.connect(get("/", CLOSE, method))
            if leave:
                client.window = 0
                bench.run(50)
                client.close()
            bench.run(100)
            bench.until(lambda: not bench.server.slots)
            client.close()
            return client.received, bench.take_log()

    file = File("text")
    assert b"text/html" in answered(file)[0] and file.closed == 1
    for data in (b"", ""):
        file = File(data)
        assert b"Content-Length: 0\r\n" in answered(file)[0] and file.closed == 1
    file = File(b"x" * 5000)
    assert answered(file, leave=True)[1] == [] and file.closed == 1 and file.data
    file = File(b"x" * 100)
    assert answered(file, "HEAD")[0].endswith(b"\r\n\r\n") and file.closed == 1
    file = File(b"x" * 100, 0)
    answer, logged = answered(file)
    assert answer.startswith(b"HTTP/1.1 500 ") and logged == ["OSError"] and file.closed == 1
    file = File(b"x" * 5000, 2)
    answer, logged = answered(file)
    assert not answer.endswith(b"0\r\n\r\n") and logged == ["OSError"] and file.closed == 1


def test_a_file_that_is_one():
    name = __file__.replace("test_stream", "test_date")
    with open(name, "rb") as file:
        data = file.read()
    app = App()
    app.get("/")(lambda request: open(name, "rb"))
    app.get("/text")(lambda request: (open(name), 200, {"Content-Type": "text/plain"}))
    client = TestClient(app)
    assert client.get("/").body == client.get("/text").body == data
