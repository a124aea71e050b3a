"""One connection: kept or closed, and requests that come before the answer to the last, all answered, in order."""

from serving import CLOSE, follow, get, hello, numbered, serve

from webhal import sleep_ms


def test_fifty_requests_in_one_segment_are_answered_in_order():
    for seed in range(20):
        with serve(hello(), seed) as bench:
            numbers = follow(bench.connect(numbered(50)))
            bench.until(lambda numbers=numbers: len(numbers()) >= 50)
            assert numbers() == list(range(50))


def test_requests_that_arrive_in_parts():
    data = numbered(30)
    for seed in range(20):
        with serve(hello(), seed) as bench:
            client = bench.connect()
            for i in range(0, len(data), 37):
                client.send_later(i // 30, data[i : i + 37])
            numbers = follow(client)
            bench.until(lambda numbers=numbers: len(numbers()) >= 30)
            assert numbers() == list(range(30))


def test_one_who_ends_its_side_is_answered_too():
    for seed in range(20):
        with serve(hello(), seed) as bench:
            client = bench.connect(numbered(20))
            client.shutdown()
            bench.until(lambda client=client: client.state == "ended")
            assert follow(client)() == list(range(20))


def test_the_rest_of_a_body_and_the_next_request_in_one_segment():
    app = hello()
    app.post("/")(lambda request: b"<" + request.body + b">")
    app.get("/head/a")(lambda request: request.head)
    body = get(method="POST", body=b"12345")
    for path in ("/head/a", "/head/%61"):  # which is read quickly, and which is not
        following = get(path, CLOSE)
        for cut in range(len(body) - 5, len(body)):
            with serve(app, harsh=False) as bench:
                client = bench.connect(body[:cut])
                client.send_later(100, body[cut:] + following)
                bench.until(lambda client=client: client.state == "ended")
                assert client.received.count(b"<12345>") == 1 and client.received.endswith(b"\r\n\r\n" + following)


def test_different_answers_to_a_slow_reader():
    app = hello()

    @app.get("/sleep/<int:n>")
    async def slow(request, n):
        await sleep_ms(n)
        return "<%d>" % n

    app.get("/pieces/<int:n>")(lambda request, n: iter(["<%d" % n, ">"]))
    app.get("/long")(lambda request: "~" * 900)
    app.post("/body")(lambda request: b"<" + request.body + b">")
    requests = (
        get("/1") + get("/sleep/2") + get("/pieces/3") + get("/long") + get("/body", method="POST", body=b"4"),
        get("/pieces/5") + get("/sleep/6") + get("/none") + get("/7"),
    )
    for seed in range(20):
        with serve(app, seed, buffer=256) as bench:
            client = bench.connect(requests[0] + requests[1])
            client.window = 0

            def widen(client=client, bench=bench):
                client.window += 200
                bench.net.at(50, widen)

            widen()
            bench.until(lambda client=client: client.received.endswith(b"<7>"))
            answer = client.read()
            assert answer.count(b"~") == 900 and answer.count(b"200 OK") == 8 and answer.count(b"404 Not Found") == 1
            answer = answer.replace(b"\r\n1\r\n>", b">").replace(b"Found", b"")
            assert [int(part[-1:]) for part in answer.split(b">")[:-1]] == [1, 2, 3, 4, 5, 6, 7], answer
            client.close()


def test_input_waits_outside_while_requests_are_served():
    with serve(hello(), harsh=False, buffer=256) as bench:
        client = bench.connect(numbered(50))
        most = 0
        while not client.read().endswith(b"<49>"):
            bench.server.step(100)
            for connection in bench.server.slots.values():
                most = max(most, len(connection.input))
        assert most <= 2 * 256, most


def test_an_empty_line_after_a_request_leaves_the_connection_idle():
    for harsh in (False, True):
        with serve(hello(), harsh=harsh, deadlines=(9, 9, 2, 9)) as bench:
            client = bench.connect(get() + b"\r\n")
            bench.run(1500)
            assert client.state == "open" and client.received.endswith(b"hello")
            client.send(get())
            bench.run(100)
            assert client.received.count(b"hello") == 2
            bench.run(2600)
            assert client.state == "ended"


def test_a_request_is_answered_and_the_connection_kept():
    with serve(hello()) as bench:
        client = bench.connect()
        for _ in range(3):
            client.send(get())
            bench.until(lambda: client.received.endswith(b"hello"))
            answer = client.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
            assert answer.endswith(b"Content-Length: 5\r\n\r\nhello")
            assert b"Connection" not in answer
        assert client.state == "open"


def test_an_idle_connection_holds_no_input():
    with serve(hello()) as bench:
        client = bench.connect(get())
        bench.until(lambda: client.received.endswith(b"hello"))
        (connection,) = bench.server.slots.values()
        assert connection.input == connection.out == b"" and connection.work is None and connection.phase == "idle"


def test_who_closes_when():
    cases = {
        ("1.1", ""): True,
        ("1.1", "Connection: close\r\n"): False,
        ("1.0", ""): False,
        ("1.0", "Connection: keep-alive\r\n"): True,
    }
    for path in ("/", "/big", "/none"):
        for version, fields in cases:
            with serve(hello()) as bench:
                client = bench.connect(get(path, fields, version=version))
                bench.until(lambda client=client: b"\r\n\r\n" in client.received)
                bench.run(100)
                assert client.state == ("open" if cases[version, fields] else "ended"), (version, fields)
                assert (b"Connection: keep-alive\r\n" in client.received) == (version == "1.0" and bool(fields))
                assert (b"Connection: close\r\n" in client.received) == (not cases[version, fields])


def test_a_kept_connection_serves_requests_of_every_kind():
    app = hello()
    app.post("/")(lambda request: request.body)
    app.get("/none")(lambda request: None)
    expected = (
        (get(), b" 200 OK", b"hello", True),
        (get(method="HEAD"), b"Content-Length: 5", b"\r\n\r\n", True),
        (get("/none"), b" 204 ", b"\r\n\r\n", True),
        (get("/other"), b" 404 ", b"Not Found\n", True),
        (get("/big"), b" 200 OK", b"~" * 1500, True),
        (get(method="POST", body=b"body"), b" 200 OK", b"\r\n\r\nbody", True),
        (get(method="POST", body=b"body") + get(), b"body", b"hello", True),
        (b"\r\n" + get(), b" 200 OK", b"hello", True),
        (get("/", "Connection: keep-alive\r\n", version="1.0"), b"keep-alive", b"hello", True),
        (get("/", "Connection: close\r\n"), b"Connection: close", b"hello", False),
        (get("/", version="1.0"), b"Connection: close", b"hello", False),
        (b"nonsense\r\n\r\n", b" 400 ", b"malformed request line\n", False),
        (get("/", "Content-Length: 9999\r\n", "POST"), b" 413 ", b"Content Too Large\n", False),
    )
    for harsh in (False, True):
        for data, part, end, kept in expected:
            with serve(app, harsh=harsh) as bench:
                client = bench.connect(get())
                bench.until(lambda client=client: client.received.endswith(b"hello"))
                bench.run(10)
                client.read()
                client.send(data)
                bench.until(lambda client=client, end=end: client.received.endswith(end))
                bench.run(10)
                assert part in client.received, data
                assert client.state == ("open" if kept else "ended"), data
                client.close()


def test_each_request_of_a_kept_connection_is_handled_once():
    app = hello()
    handled = []

    @app.post("/")
    def post(request):
        handled.append(request.body)
        return "%d bytes" % len(request.body)

    for hooked in (False, True):
        if hooked:
            app.before_request(lambda request: None)
        for cut in (0, 3, 60):
            for harsh in (False, True):
                with serve(app, harsh=harsh) as bench:
                    client = bench.connect(get())
                    bench.until(lambda client=client: client.received.endswith(b"hello"))
                    for body in (b"first", b"second"):
                        client.read()
                        data = get(method="POST", body=body)
                        client.send(data[:cut] or data)
                        client.send_later(100, data[cut:] if cut else get())
                        end = b"%d bytes" % len(body) if cut else b"hello"
                        bench.until(lambda client=client, end=end: client.received.endswith(end))
                        bench.run(100)
                        assert client.received.count(b"HTTP/1.1 200 OK") == (1 if cut else 2)
                    assert handled == [b"first", b"second"], (hooked, cut, harsh)
                    handled.clear()


def test_an_answer_that_cannot_be_sent_keeps_the_connection():
    app = hello()
    app.get("/field")(lambda request: ("text", 200, {"X-A": "a\r\nb"}))
    app.get("/status")(lambda request: ("text", 99))
    app.get("/type")(lambda request: 3.5)
    for path in ("/field", "/status", "/type"):
        for harsh in (False, True):
            with serve(app, harsh=harsh) as bench:
                client = bench.connect(get(path))
                bench.until(lambda client=client: b"\r\n\r\n" in client.received)
                bench.run(100)
                assert client.read().startswith(b"HTTP/1.1 500 ") and len(bench.take_log()) == 1, path
                client.send(get())
                bench.until(lambda client=client: client.received.endswith(b"hello"))
                assert client.state == "open"


class Echo:
    """Takes a connection over, as connection.py says, and sends back what comes, until that is "bye"."""

    def __init__(self):
        self.steps = self.cancelled = 0

    def begin(self, server, connection, request):
        self.request = request
        connection.send(server, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"", self)

    def ready(self, server, connection):
        count = server.receive(connection.socket, server.view)
        if count == 0:
            raise OSError("the client has left")
        data = bytes(server.view[: count or 0])
        if data == b"bye":
            connection.send(server, b"bye!")
        elif data:
            connection.send(server, data, b"", self)

    def taken(self, server, connection):
        connection.phase = "handler"
        server.again.append(connection)

    def step(self, server, connection):
        self.steps += 1

    def cancel(self):
        self.cancelled += 1


def test_a_handler_s_result_may_take_the_connection_over_and_hand_it_back():
    app = hello()
    results = []

    @app.get("/echo")
    def echo(request):
        results.append(Echo())
        return results[-1]

    with serve(app, harsh=False) as bench:
        client = bench.connect(get("/echo"))
        bench.run(100)
        assert client.read() == b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        for data in (b"one", b"GET / HTTP/1.1\r\n\r\n", b"bye"):
            client.send(data)
            bench.run(20000)  # its own deadlines are what it has
            assert client.read() == (b"bye!" if data == b"bye" else data)
        assert results[0].steps == 3 and results[0].cancelled == 0 and results[0].request.path == "/echo"
        for ending in ("close", "reset", "drop"):
            client = bench.connect(get("/echo"))
            bench.run(100)
            if ending == "drop":
                bench.server.close()
                bench.server.open()
            else:
                getattr(client, ending)()
            bench.run(100)
            assert results[-1].cancelled == 1 and not bench.server.slots
    with serve(app, harsh=False) as bench:
        client = bench.connect(get("/echo"))
        bench.run(100)
        client.send(b"bye")
        bench.run(100)
        client.send(get("/7"))
        bench.run(100)
        assert client.received.endswith(b"<7>") and client.state == "open"
