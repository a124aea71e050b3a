"""The server's way of a plain request: keep-alive, deadlines, no spinning."""

from serving import get, serve

from webhal import App, sleep_ms


def hello():
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/big")(lambda request: "~" * 1500)
    return app


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


def test_the_date_is_told_where_there_is_a_clock():
    app = hello()
    with serve(app) as bench:
        assert b"Date" not in bench.ask(get("/", "Connection: close\r\n"))
        bench.net.set_time(784111777)
        bench.run(1000)
        for path in ("/", "/none"):
            client = bench.connect(get(path))
            bench.until(lambda client=client: b"\r\n\r\n" in client.received)
            assert b"\r\nDate: Sun, 06 Nov 1994 08:49:3" in client.received


def test_the_first_answer_has_a_date():
    bench = serve(hello())
    bench.net.set_time(784111777)
    with bench:
        assert b"\r\nDate: Sun, 06 Nov 1994 08:49:3" in bench.ask(get("/", "Connection: close\r\n"))


def test_deadline_of_the_first_byte():
    with serve(hello(), deadlines=(5, 1, 1, 1)) as bench:
        client = bench.connect()
        bench.run(4900)
        assert client.state == "open"
        bench.run(1200)
        assert (client.state, client.received) == ("ended", b"")


def test_empty_lines_do_not_extend_it():
    with serve(hello(), harsh=False, deadlines=(5, 20, 20, 20)) as bench:
        client = bench.connect()
        for second in range(5):
            client.send_later(500 + 1000 * second, b"\r\n")
        bench.run(6000)
        assert client.state != "open" and client.received == b""
        client.close()


def test_deadline_of_the_rest_is_a_total():
    head = get("/", "A: " + "b" * 40 + "\r\n")
    body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n" + b"x" * 30
    chunks = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20
    for data in (head, body, chunks):
        for seed in (1, 2, 3):
            with serve(hello(), seed, deadlines=(2, 10, 1, 1)) as bench:
                client = bench.connect()
                sent = max(1, len(data) - 30)
                client.send(data[:sent])
                for second in range(1, 25):  # one byte a second does not extend it
                    piece = data[sent + second - 1 : sent + second]
                    bench.net.at(
                        1000 * second, lambda client=client, piece=piece: client.state == "open" and client.send(piece)
                    )
                bench.run(9900)
                assert (client.state, client.received) == ("open", b"")
                bench.run(1200)
                assert client.state == "ended"
                assert client.received.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
                assert b"Connection: close\r\n" in client.received
                client.close()


def test_deadline_of_head_and_body_is_one_from_the_first_byte():
    body = b"x" * 20
    for kept in (False, True):
        for harsh in (False, True):
            with serve(hello(), harsh=harsh, deadlines=(4, 5, 4, 1)) as bench:
                client = bench.connect(get() if kept else b"")
                bench.run(2500)
                assert client.read().endswith(b"hello" if kept else b"")
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\n")
                client.send_later(2000, b"Content-Length: 20\r\n\r\n")
                for second in range(3, 5):
                    client.send_later(1000 * second, body[:4])
                bench.run(4900)
                assert (client.state, client.received) == ("open", b""), (kept, harsh)
                bench.run(1000)
                assert client.state == "ended" and client.received.startswith(b"HTTP/1.1 408 "), (kept, harsh)
                client.close()
                bench.run(1000)


def test_deadline_of_the_next_request():
    for harsh in (False, True):  # what comes in one piece takes another way than what does not
        with serve(hello(), harsh=harsh, deadlines=(9, 9, 2, 9)) as bench:
            client = bench.connect(get())
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            for _ in range(3):
                client.read()
                bench.run(1900)
                assert client.state == "open"
                client.send(get())
                bench.until(lambda client=client: client.received.endswith(b"hello"))
            bench.run(1900)
            assert client.state == "open"
            client.read()
            bench.run(700)
            assert (client.state, client.received) == ("ended", b"")


def test_deadline_of_writing_is_one_of_progress():
    with serve(hello(), deadlines=(1, 1, 1, 10)) as bench:
        client = bench.connect(get("/big"))
        client.window = 100
        for i in range(4):
            bench.run(9000)
            assert client.state == "open", i
            client.window += 1
        bench.run(9500)
        assert client.state == "open"
        bench.run(1500)
        assert client.state != "open"
        assert len(client.received) == 104


def test_waiting_costs_nothing():
    """Between events the server sleeps: it may wake for its deadlines, not more."""
    app = hello()

    @app.get("/sleep")
    async def slow(request):
        await sleep_ms(20000)
        return "slept"

    with serve(app, deadlines=(30, 30, 30, 30), harsh=False) as bench:
        idle = bench.connect(get())
        silent = bench.connect()
        half = bench.connect(b"GET / HT")
        sleeper = bench.connect(get("/sleep"))
        bench.run(100)
        busy = bench.connect(get("/big"))
        bench.server.connections = 5
        busy.window = 10
        bench.run(100)
        before = bench.net.calls["wait"]
        bench.run(10000)
        assert bench.net.calls["wait"] - before <= 25
        for client in (idle, silent, half, sleeper, busy):
            assert client.state == "open"
            client.close()


def test_a_client_that_resets_while_its_handler_sleeps_does_not_keep_the_server_busy():
    app = hello()
    ends = []

    @app.get("/sleep")
    async def slow(request):
        try:
            await sleep_ms(60000)
        finally:
            ends.append(True)

    for pipelined in (0, 1, 40):
        with serve(app, harsh=False) as bench:
            client = bench.connect(get("/sleep") + get() * pipelined)
            bench.run(100)
            client.reset()
            bench.run(50)
            assert ends.pop() and not bench.server.slots


def test_a_bug_of_the_core_is_a_500_and_on_the_log():
    app = hello()
    with serve(app) as bench:

        def broken(request):
            raise RuntimeError("in the core")

        app.handle = broken
        answer = bench.ask(get())
        del app.handle
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert bench.take_log() == ["RuntimeError"]
        assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_keyboard_interrupt_passes_through():
    app = hello()

    @app.get("/interrupt")
    def interrupt(request):
        raise KeyboardInterrupt

    with serve(app) as bench:
        bench.connect(get("/interrupt"))
        try:
            bench.run(1000)
        except KeyboardInterrupt:
            return
        finally:
            bench.server.close()
            bench.server.stop()
    raise AssertionError("the server swallowed it")


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


def test_one_step_accepts_a_bounded_number():
    with serve(hello(), harsh=False, connections=100) as bench:
        clients = [bench.connect() for _ in range(30)]
        for count in (8, 16, 24, 30):
            bench.server.step(0)
            assert len(bench.server.slots) == count
        assert [client.state for client in clients] == ["open"] * 30


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


def test_answers_of_a_server_that_stops_close():
    app = hello()
    app.get("/stop")(lambda request: bench.server.stop() or "bye")
    for path in ("/", "/big", "/none"):
        for accepted_ms in (0, 100):
            with serve(app, harsh=False) as bench:
                clients = [bench.connect() for _ in range(4)]
                bench.run(accepted_ms)
                for client in clients:
                    client.send(get(path if client is not clients[0] else "/stop"))
                bench.server.run()
                for client in clients:
                    assert client.state == "ended" and client.received.count(b"HTTP/1.1 ") == 1
                    assert client.received.count(b"Connection: close\r\n") == 1, path
