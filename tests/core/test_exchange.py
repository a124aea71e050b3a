"""Bodies that are read whole, 100 Continue, and answers that a client does not take at once."""

from serving import body_of, get, serve

from webhal import App

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def echo():
    app = App()
    app.post("/")(lambda request: request.body)
    app.get("/big")(lambda request: bytes(range(256)) * 6)
    app.get("/")(lambda request: "hello")
    return app


def chunked(*pieces, trailer=b""):
    body = b"".join([b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces])
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailer + b"\r\n"


def test_a_body_is_read_whole_however_it_arrives():
    body = b"0123456789" * 10
    data = get(method="POST", body=body)
    for part in (1, 3, len(data) - 50, len(data)):
        for seed in (1, 2):
            with serve(echo(), seed) as bench:
                client = bench.connect()
                for i in range(0, len(data), part):
                    client.send_later(i, data[i : i + part])
                bench.until(lambda client=client: client.received.endswith(body))
                assert body_of(client.received) == body


def test_a_body_is_bytes_of_however_many_pieces():
    app = App()
    app.post("/")(lambda request: type(request.body).__name__)
    whole = get(method="POST", body=b"0123456789")
    for data in (whole, chunked(b"abc"), chunked(b"abc", b"de"), chunked(b"a", b"b", b"c"), chunked()):
        for cut in (len(data) - 3, len(data)):
            with serve(app, harsh=False) as bench:
                client = bench.connect(data[:cut])
                client.send_later(100, data[cut:] + get(fields="Connection: close\r\n"))
                bench.until(lambda client=client: client.state == "ended")
                assert body_of(client.received).startswith(b"bytesHTTP/1.1 405 "), data


def test_a_chunked_body_is_joined():
    for seed in range(5):
        with serve(echo(), seed) as bench:
            client = bench.connect(chunked(b"abc", b"d" * 300, b"e", trailer=b"X: y\r\n") + get())
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            assert b"abc" + b"d" * 300 + b"eHTTP/1.1 200 OK" in client.received


def test_no_body_and_an_empty_one():
    for data in (
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        chunked(),
    ):
        with serve(echo()) as bench:
            client = bench.connect(data + get())
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            assert client.received.count(b"Content-Length: 0\r\n") == 1


def test_a_body_may_be_as_large_as_the_limit_and_no_larger():
    for data, good in (
        (get(method="POST", body=b"x" * 100), True),
        (get(method="POST", body=b"x" * 101), False),
        (chunked(b"x" * 60, b"x" * 40), True),
        (chunked(b"x" * 60, b"x" * 41), False),
        (chunked(b"x" * 101), False),
    ):
        for seed in (1, 2, 3):
            with serve(echo(), seed, body=100) as bench:
                client = bench.connect(data)
                bench.until(lambda client=client: b"\r\n\r\n" in client.received)
                bench.run(100)
                assert client.received.startswith(b"HTTP/1.1 " + (b"200" if good else b"413")), data
                assert client.state == ("open" if good else "ended")
                client.close()


def test_a_length_that_is_too_large_is_refused_before_the_body_comes():
    with serve(echo(), body=100) as bench:
        client = bench.connect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n")
        bench.until(lambda: client.state == "ended")
        assert client.received.startswith(b"HTTP/1.1 413 ")
        client.close()


def test_100_continue():
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"
    for seed in range(10):
        with serve(echo(), seed) as bench:
            client = bench.connect(head)
            bench.until(lambda client=client: client.received == CONTINUE)
            bench.run(1000)
            assert client.received == CONTINUE
            client.send(b"12345" + get())
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            assert client.received.startswith(CONTINUE + b"HTTP/1.1 200 OK\r\n")
            assert client.received.count(CONTINUE) == 1


def test_no_100_continue_where_none_is_due():
    expect = "Expect: 100-continue\r\n"
    with serve(echo(), harsh=False) as bench:
        for data in (
            get(fields=expect + "Connection: close\r\n"),  # there is no body
            get(fields=expect, method="POST", version="1.0", body=b"x"),  # 1.0 does not know it
            get(fields=expect + "Connection: close\r\n", method="POST", body=b"it is here already"),
        ):
            assert b" 100 " not in bench.ask(data)
    with serve(echo()) as bench:
        assert bench.ask(get(fields="Expect: more\r\n", method="POST", body=b"x")).startswith(b"HTTP/1.1 417 ")


def test_100_continue_to_one_who_does_not_read():
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with serve(echo()) as bench:
        client = bench.connect(head)
        client.window = 3
        client.send_later(500, b"12345")
        bench.run(1000)
        assert client.received == b"HTT"
        client.window = None
        bench.until(lambda: client.received.endswith(b"12345"))
        assert client.received.startswith(CONTINUE + b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_leaves_in_the_middle_of_a_body():
    for ending in ("close", "shutdown", "reset"):
        for data in (get(method="POST", body=b"12345")[:-1], chunked(b"abc")[:-8]):
            with serve(echo()) as bench:
                client = bench.connect(data)
                bench.run(200)
                (connection,) = bench.server.slots.values()
                getattr(client, ending)()
                bench.run(200)
                assert not bench.server.slots and client.received == b""
                assert connection.input == b"" and connection.work is None  # whoever still holds it holds no more


def test_a_large_answer_reaches_slow_readers_whole():
    body = bytes(range(256)) * 6
    for seed in range(10):
        with serve(echo(), seed, buffer=64) as bench:
            client = bench.connect(get("/big") + get())
            client.window = 0

            def widen(client=client, bench=bench):
                client.window += 111
                bench.net.at(500, widen)

            widen()
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            assert body_of(client.received).startswith(body + b"HTTP/1.1 200 OK")
            client.close()


def test_one_who_leaves_without_reading():
    for ending in ("close", "reset"):
        with serve(echo()) as bench:
            client = bench.connect(get("/big"))
            client.window = 100
            bench.run(300)
            getattr(client, ending)()
            bench.net.at(10, lambda client=client: setattr(client, "window", None))
            bench.run(300)
            assert not bench.server.slots


def test_one_who_ends_its_side_gets_its_answer():
    for path in ("/", "/big"):
        for seed in range(5):
            with serve(echo(), seed) as bench:
                client = bench.connect(get(path))
                client.shutdown()
                bench.until(lambda client=client: client.state == "ended")
                assert len(body_of(client.received)) == (1536 if path == "/big" else 5)


def test_head_has_the_fields_of_get_and_no_body():
    with serve(echo()) as bench:
        client = bench.connect(get("/big", method="HEAD") + get())
        bench.until(lambda: client.received.endswith(b"hello"))
        heads = client.received.split(b"\r\n\r\n")
        assert b"Content-Length: 1536" in heads[0] and heads[1].startswith(b"HTTP/1.1 200 OK\r\n")
