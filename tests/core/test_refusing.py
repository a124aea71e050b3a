"""Refusals: that they reach a client that is still sending, that the application can word them, and lingering."""

from serving import get, hello, serve

import webhal
from webhal import App, Response
from webhal.errors import HTTPError

LARGE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


def echo():
    app = hello()
    app.post("/")(lambda request: request.body)
    return app


def test_refused_requests_are_answered_and_the_connection_closed():
    cases = {
        b"nonsense\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\n\r\n": 400,
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505,
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n": 501,
        b"GET /" + b"x" * 2000: 414,
        b"GET / HTTP/1.1\r\nA: " + b"x" * 2000: 431,
        LARGE: 413,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n": 400,
    }
    for data in cases:
        for seed in (1, 2, 3):
            with serve(echo(), seed) as bench:
                client = bench.connect(data)
                bench.until(lambda client=client: client.state == "ended")
                assert client.received.startswith(b"HTTP/1.1 %d " % cases[data]), data
                assert client.received.count(b"HTTP/1.1") == 1 and b"Connection: close\r\n" in client.received
                client.close()


def test_requests_before_the_refused_one_are_answered():
    with serve(echo()) as bench:
        client = bench.connect(get() + get() + b"nonsense\r\n\r\n" + get())
        bench.until(lambda: client.state == "ended")
        assert client.received.count(b"hello") == 2 and client.received.count(b" 400 ") == 1
        client.close()


def test_the_refusal_reaches_a_client_that_is_still_sending():
    for seed in range(10):
        with serve(echo(), seed) as bench:
            client = bench.connect(LARGE)
            for ms in range(0, 1000, 10):
                bench.net.at(ms, lambda client=client: client.state == "open" and client.send(b"x" * 1000))
            client.send(b"x" * 1000)
            bench.run(1500)
            # What it had not read would be lost had the server closed on what it sent.
            assert client.state == "ended" and client.received.startswith(b"HTTP/1.1 413 "), client.state
            client.close()


def test_one_who_keeps_sending_after_a_refusal_is_closed_in_the_end():
    with serve(echo()) as bench:
        client = bench.connect(LARGE)

        def more():
            if client.state in ("open", "ended"):
                client.send(b"x" * 500)
                bench.net.at(100, more)

        more()
        bench.run(1500)
        assert len(bench.server.slots) == 1
        bench.run(1500)
        assert not bench.server.slots and client.state in ("reset", "ended")


def test_a_refused_client_that_leaves_frees_its_slot_at_once():
    for ending in ("close", "reset"):
        with serve(echo()) as bench:
            client = bench.connect(b"nonsense\r\n\r\n")
            bench.until(lambda client=client: client.state == "ended")
            assert len(bench.server.slots) == 1
            getattr(client, ending)()
            bench.run(50)
            assert not bench.server.slots


def test_a_refusal_that_the_client_does_not_read():
    with serve(echo(), deadlines=(1, 1, 1, 3)) as bench:
        client = bench.connect(b"nonsense\r\n\r\n")
        client.window = 5
        bench.run(2000)
        assert len(bench.server.slots) == 1
        bench.run(2000)
        assert not bench.server.slots


def test_the_application_words_refusals():
    app = echo()
    seen = []

    @app.error(400)
    def bad(request, error):
        seen.append((request.method, request.path, request.head, request.client[0], error.status, error.message))
        return "what?"

    @app.error(413)
    def large(request, error):
        seen.append((request.method, request.path, error.status))
        return "too much", 400, {"X-Limit": "2048"}

    @app.error(HTTPError)
    def other(request, error):
        return Response("status %d" % error.status, 200)

    with serve(app) as bench:
        answer = bench.ask(b"any line\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"\r\n\r\nwhat?")
        assert b"Connection: close\r\n" in answer
        method, path, head, client, status, message = seen.pop()
        assert (method, path, client, status, message) == ("", "", "192.0.2.3", 400, "malformed request line")
        assert head.startswith(b"any line\r\n")
        answer = bench.ask(LARGE)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"X-Limit: 2048\r\n" in answer
        assert answer.endswith(b"too much") and seen.pop() == ("POST", "/", 413)
        assert bench.ask(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"status 501")


def test_error_handlers_of_refused_requests_know_their_application():
    app = echo()
    inner = App()
    app.mount("/in", inner)
    seen = []

    @inner.post("/", stream=True)
    async def upload(request):
        await request.read()

    @app.error(HTTPError)
    def other(request, error):
        seen.append((request.app is app, error.status))
        return "no"

    refused = {
        b"nonsense\r\n\r\n": 400,
        LARGE: 413,
        LARGE[:-2]: 408,
        b"POST /in/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n": 408,  # while its handler reads
    }
    for data in refused:
        with serve(app) as bench:
            answer = bench.ask(data)
            assert answer.startswith(b"HTTP/1.1 %d " % refused[data]) and answer.endswith(b"\r\n\r\nno")
            assert seen.pop() == (True, refused[data]) and not seen


def test_large_wording_of_a_refusal():
    app = echo()
    app.error(400)(lambda request, error: "~" * 1500)
    for seed in range(5):
        with serve(app, seed) as bench:
            assert bench.ask(b"nonsense\r\n\r\n").endswith(b"\r\n\r\n" + b"~" * 1500)


def test_a_streamed_wording_of_a_refusal():
    app = echo()
    app.error(400)(lambda request, error: iter(["a", "b"]))
    for seed in range(5):
        with serve(app, seed) as bench:
            answer = bench.ask(b"nonsense\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_what_a_hook_reads_of_a_refused_request():
    app = echo()
    seen = []

    @app.after_request
    def hook(request, response):
        seen.append((list(request.args), request.headers.get("host"), len(request.cookies), response.status))

    with serve(app) as bench:
        bench.ask(b"nonsense\r\n\r\n")
        bench.ask(LARGE)
        assert seen == [([], None, 0, 400), ([], "a", 0, 413)]


def test_a_body_that_was_refused_is_not_there():
    app = echo()
    seen = []

    @app.error(HTTPError)
    def refused(request, error):
        seen.append((error.status, request.body, request.text))
        return "no"

    begun = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n\xe9\r\n" * 2
    for rest, status in ((b"fff\r\n" + b"x" * 0xFFF, 413), (b"x\r\n", 400), (b"", 408)):
        with serve(app) as bench:
            assert bench.ask(begun + rest).endswith(b"\r\n\r\nno")
            assert seen.pop() == (status, b"", ""), status


def test_a_bug_while_a_failure_is_answered_costs_one_connection():
    app = echo()

    def broken(app, request, error):
        raise RuntimeError("in the core")

    with serve(app) as bench:
        known = webhal.errors.handle
        webhal.errors.handle = broken
        assert bench.ask(b"nonsense\r\n\r\n") == b""
        webhal.errors.handle = known
        assert bench.take_log() == ["RuntimeError"]
        assert bench.ask(get("/", "Connection: close\r\n")).endswith(b"hello")


def test_a_bug_after_the_answer_began_ends_the_connection():
    app = echo()
    with serve(app) as bench:
        client = bench.connect(get("/big"))
        client.window = 100
        bench.run(100)
        send = bench.net.send

        def broken(*values):
            raise RuntimeError("in the port")

        bench.net.send = broken
        client.window = 200
        bench.run(100)
        bench.net.send = send
        assert not bench.server.slots and bench.take_log() == ["RuntimeError"]
        assert len(client.received) == 100
        assert bench.ask(get("/", "Connection: close\r\n")).endswith(b"hello")
