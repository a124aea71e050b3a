"""The server: its deadlines, how much a step accepts, and faults that cost one connection."""

from serving import CLOSE, get, hello, serve


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


def test_one_step_accepts_a_bounded_number():
    with serve(hello(), harsh=False, connections=100) as bench:
        clients = [bench.connect() for _ in range(30)]
        for count in (8, 16, 24, 30):
            bench.server.step(0)
            assert len(bench.server.slots) == count
        assert [client.state for client in clients] == ["open"] * 30


def test_a_request_tells_its_client():
    app = hello()
    app.get("/client")(lambda request: "%s %d" % request.client)
    app.post("/client")(lambda request: "%s %d" % request.client)
    for data in (get("/client"), get("/client", CLOSE), get("/client", CLOSE, "POST", body=b"x")):
        for accepted_ms in (0, 50):
            with serve(app, harsh=False) as bench:
                client = bench.connect()
                bench.run(accepted_ms)
                client.send(data)
                bench.run(50)
                assert client.received.endswith(b"%s %d" % (client.peer[0].encode(), client.peer[1]))
