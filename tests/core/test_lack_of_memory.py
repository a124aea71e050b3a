"""Lack of memory, wherever it strikes: the request gets a 503, or its connection ends, and the server goes on."""

import sys

from serving import CLOSE, get, hello, serve

import webhal
from webhal import Response, sleep_ms
from webhal.http import Reader
from webhal.testing.fake import FakeNetwork

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_in_a_handler():
    app = hello()

    @app.get("/greedy")
    def greedy(request):
        raise MemoryError("of the handler")

    @app.get("/async")
    async def asynchronous(request):
        await sleep_ms(1)
        raise MemoryError("of the handler")

    def pieces(request):
        raise MemoryError("of the first piece")
        yield

    app.get("/pieces")(pieces)
    app.post("/greedy")(greedy)
    for seed in (1, 2, 3):
        with serve(app, seed) as bench:
            for path in ("/greedy", "/async", "/pieces"):
                assert bench.ask(get(path)) == BUSY, path
            assert bench.ask(get("/greedy", method="POST", body=b"body")) == BUSY
            assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_what_a_connection_holds_is_let_go_before_the_503():
    app = hello()
    ended = []

    async def asynchronous(request):
        try:
            await sleep_ms(1)
            raise MemoryError("of the handler")
        finally:
            ended.append(True)

    app.get("/async")(asynchronous)

    def greedy(request):
        raise MemoryError("of the handler")

    app.post("/greedy")(greedy)
    for data in (get("/async"), get("/async") + get(), get("/greedy", method="POST", body=b"body")):
        with serve(app, harsh=False) as bench:
            send = bench.net.send
            held = []

            def sending(socket, out, start, send=send, held=held, bench=bench):
                if out == BUSY:
                    connection = bench.server.slots[socket]
                    held.append((connection.input, connection.out, connection.more, connection.work))
                return send(socket, out, start)

            bench.net.send = sending
            assert bench.ask(data) == BUSY
            assert held == [(b"", b"", b"", None)], held
    assert len(ended) == 2


def test_a_listener_is_never_left_unwatched_by_a_server_that_does_not_know_it():
    """What is to be known takes memory too, so it is written down before the listener is let go."""
    with serve(hello()) as bench:
        watch = bench.net.watch
        told = []

        def watching(socket, read, write):
            if socket is bench.server.listener:
                told.append((bench.server.full, read))
            watch(socket, read, write)

        bench.net.watch = watching
        clients = [bench.connect() for _ in range(6)]
        bench.run(3000)
        assert (True, False) in told and (False, False) not in told, told
        assert (True, True) in told and (False, True) not in told, told
        assert [client.state for client in clients].count("open") == 4


def test_closing_a_connection_takes_no_memory():
    """Whoever was accepted in its place would be lost: each attribute that is set for the first time takes some."""
    with serve(hello()) as bench:
        bench.connect()
        bench.run(100)
        (connection,) = bench.server.slots.values()
        before = set(connection.__dict__)
        connection.drop(bench.server)
        assert set(connection.__dict__) == before


def test_in_a_hook_or_an_error_handler():
    for kind in ("before_request", "after_request"):
        app = hello()

        def greedy(*values):
            raise MemoryError("of the hook")

        getattr(app, kind)(greedy)

        @app.get("/async")
        async def asynchronous(request):
            await sleep_ms(1)
            return "slept"

        with serve(app) as bench:
            assert bench.ask(get()) == bench.ask(get("/async")) == BUSY
    app = hello()
    app.error(404)(greedy)
    app.error(400)(greedy)
    with serve(app) as bench:
        assert bench.ask(get("/none")) == BUSY
        assert bench.ask(b"bad\r\n\r\n") == BUSY
        assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_costs_a_board_the_modules_that_are_seldom_needed():
    app = hello()
    lacks = [True, False]

    @app.get("/greedy")
    def greedy(request):
        assert webhal.unicode and webhal.request
        if lacks.pop(0):
            raise MemoryError("of the handler")
        return "hello"

    with serve(app, harsh=False) as bench:
        assert bench.ask(get("/greedy")) == BUSY
        assert "webhal.unicode" not in sys.modules and "webhal.request" not in sys.modules
        assert b"hello" in bench.ask(get("/greedy", CLOSE))
        assert "webhal.unicode" in sys.modules
        bench.net.fail("wait", 1, MemoryError("of the port"))
        bench.server.step(10)
        assert "webhal.unicode" not in sys.modules


def test_after_the_answer_began_ends_the_connection():
    app = hello()
    closed = []

    @app.get("/pieces")
    def pieces(request):
        try:
            yield "piece"
            raise MemoryError("of the second piece")
        finally:
            closed.append(True)

    for seed in range(5):
        with serve(app, seed) as bench:
            answer = bench.ask(get("/pieces"))
            assert answer.endswith(b"\r\n\r\n5\r\npiece\r\n") and answer.count(b"HTTP/1.1") == 1
            assert closed.pop()
            assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


class Scanty:
    """An iterator that can be asked again when it lacked memory."""

    lacks = closed = False

    def __iter__(self):
        return self

    def __next__(self):
        if self.lacks:
            raise MemoryError("of a piece")
        return "piece"

    def close(self):
        self.closed = True


def test_a_stream_waits_for_memory_each_time_as_long_as_for_its_client():
    app = hello()
    source = Scanty()
    app.get("/pieces")(lambda request: source)
    with serve(app, harsh=False, deadlines=(1, 1, 1, 2)) as bench:

        def steps(count, ms):
            for _ in range(count):
                bench.server.step(0)
                bench.net.advance(ms)

        client = bench.connect(get("/pieces"))
        steps(3, 0)
        for _ in range(3):
            assert client.read().endswith(b"5\r\npiece\r\n")
            source.lacks = True
            steps(15, 100)
            assert client.state == "open" and client.read() == b""
            source.lacks = False
            steps(3, 0)
        source.lacks = True
        steps(1, 2000)
        steps(1, 1)
        assert client.state == "open" and not source.closed
        steps(1, 0)
        assert client.state == "ended" and source.closed


def test_a_stream_loses_nothing_and_sends_nothing_twice():
    app = hello()

    def pieces(request):
        for number in range(4):
            yield "%03d," % number * 30

    app.get("/chunks")(pieces)
    app.get("/length")(lambda request: Response(pieces(request), 200, {"Content-Length": 480}))
    for path in ("/chunks", "/length"):
        with serve(app, harsh=False, buffer=128) as bench:
            whole = bench.ask(get(path, CLOSE))
            assert b"003," in whole
        made = ((webhal.response, "encode"), (webhal.response, "finish"))
        for home, name in made + ((webhal.exchange, "join"), (webhal.exchange, "send")):
            original = getattr(home, name)
            for nth in range(1, 9):
                calls = []

                def greedy(*values, original=original, calls=calls, nth=nth):
                    calls.append(1)
                    if len(calls) == nth:
                        raise MemoryError("of the core")
                    return original(*values)

                setattr(home, name, greedy)
                try:
                    with serve(app, harsh=False, buffer=128) as bench:
                        answer = bench.ask(get(path, CLOSE))
                finally:
                    setattr(home, name, original)
                if name == "send":  # bytes are on their way: the connection ends
                    assert answer == (whole[: len(answer)] if len(calls) >= nth else whole), (path, name, nth)
                else:
                    assert answer == whole or answer == BUSY and not nth > 2, (path, name, nth, answer)


def test_while_input_is_taken():
    take = Reader.feed
    with serve(hello()) as bench:
        slots = []

        def greedy(connection, data):
            if connection not in slots:
                slots.append(connection)
                raise MemoryError("of the core")
            take(connection, data)

        from webhal.connection import Connection

        Connection.feed = greedy
        try:
            assert bench.ask(get()) == BUSY
        finally:
            del Connection.feed
        assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_in_any_operation_of_the_network():
    for operation in ("wait", "accept", "watch", "recv_into", "send"):
        original = getattr(FakeNetwork, operation)
        for nth in range(2, 9):
            calls = []

            def greedy(*values, original=original, calls=calls, nth=nth):
                calls.append(1)
                if len(calls) == nth:
                    raise MemoryError("of the port")
                return original(*values)

            setattr(FakeNetwork, operation, greedy)
            try:
                with serve(hello(), nth) as bench:
                    clients = [bench.connect(get() * 5), bench.connect(get("/big")), bench.connect()]
                    bench.run(20000)
                    assert len(calls) >= nth
                    for client in clients:
                        client.close()
                    assert b"hello" in bench.ask(get("/", "Connection: close\r\n")), (operation, nth)
            finally:
                setattr(FakeNetwork, operation, original)


def test_between_two_connections_work_costs_one_that_idles():
    with serve(hello(), harsh=False) as bench:
        silent = bench.connect()
        idle = [bench.connect(get()) for _ in range(2)]
        bench.run(100)
        for left in (1, 0, 0):
            bench.net.fail("wait", 1, MemoryError("of the port"))
            bench.server.step(10)
            assert [client.state for client in idle].count("open") == left and silent.state == "open"


def test_for_a_slot_closes_the_connection():
    import webhal.server

    connection = webhal.server.Connection
    with serve(hello()) as bench:

        def greedy(*values):
            raise MemoryError("of the core")

        webhal.server.Connection = greedy
        try:
            client = bench.connect(get())
            bench.until(lambda: client.state not in ("connecting", "open"))
        finally:
            webhal.server.Connection = connection
        assert not bench.net.sockets
        assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_for_a_response():
    def greedy(*values):
        raise MemoryError("of the core")

    with serve(hello()) as bench:
        response = webhal.response
        serialise = response.serialise
        response.serialise = greedy
        try:
            assert bench.ask(get("/none")) == BUSY
        finally:
            response.serialise = serialise
        assert bench.ask(get("/none", "Connection: close\r\n")).startswith(b"HTTP/1.1 404 ")


def test_for_watching_the_listener_of_a_full_server():
    for error in (MemoryError("of the port"), OSError("finished")):
        for nth in (1, 2):
            with serve(hello(), harsh=False) as bench:
                for _ in range(4):
                    bench.connect()
                bench.run(100)
                watch = bench.net.watch
                calls = []

                def greedy(socket, read, write, watch=watch, bench=bench, calls=calls, nth=nth, error=error):
                    if socket in bench.net.listeners:
                        calls.append(read)
                        if len(calls) == nth:
                            raise error
                    watch(socket, read, write)

                bench.net.watch = greedy
                bench.connect()
                bench.run(100)
                assert len(calls) >= nth
                bench.run(900)
                assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


class lacking:
    """Within this block there is no memory to load one function of a module."""

    def __init__(self, home, name):
        self.home = home
        self.name = name

    def __enter__(self):
        def greedy(*values):
            raise MemoryError("for loading it")

        self.known = getattr(getattr(webhal, self.home), self.name)
        setattr(getattr(webhal, self.home), self.name, greedy)

    def __exit__(self, kind, error, trace):
        setattr(getattr(webhal, self.home), self.name, self.known)


def test_a_503_never_follows_part_of_an_answer():
    with serve(hello()) as bench:
        with lacking("exchange", "send"):
            answer = bench.ask(get("/big"))
        assert answer == BUSY or b" 503 " not in answer
        assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_after_100_continue():
    app = hello()
    app.post("/")(lambda request: request.body)
    data = get(method="POST", fields="Expect: 100-continue\r\n", body=b"12345")[:-5]
    with serve(app, harsh=False) as bench:
        with lacking("exchange", "send"):  # 100 Continue is sent, and nothing may follow
            assert bench.ask(data) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with lacking("exchange", "read_body"):
            client = bench.connect(data)
            bench.run(100)
            assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n" + BUSY
            client.close()
    for seed in range(5):
        with serve(app, seed) as bench:
            with lacking("exchange", "send"):  # a short write needs it, too
                answer = bench.ask(data)
            assert answer and (BUSY.startswith(answer) or b"HTTP/1.1 100 Continue\r\n\r\n".startswith(answer)), answer
            assert b"hello" in bench.ask(get("/", "Connection: close\r\n"))


def test_at_a_deadline_ends_the_connection_all_the_same():
    with serve(hello()) as bench, lacking("refusing", "tick"):
        clients = [bench.connect(b"GET / HTTP/1.1\r\n"), bench.connect(b"GET / HTTP/1.1\r\n")]
        bench.run(30000)
        assert not bench.server.slots, [client.state for client in clients]


class Scarce:
    """Stands for a module of which another one imports, for which memory runs out then."""

    def __getattr__(self, name):
        raise MemoryError("for loading it")


def test_for_loading_a_module_leaves_nothing_of_it():
    import sys

    assert webhal.chunked  # which brings its names, and what it imports
    errors = sys.modules["webhal.errors"]
    kept = []
    for _ in range(3):
        webhal.forget("webhal.chunked")
        sys.modules["webhal.errors"] = Scarce()
        try:
            assert webhal.chunked
        except MemoryError:
            kept.append("webhal.chunked" in sys.modules or "chunked" in webhal.__dict__)
        finally:
            sys.modules["webhal.errors"] = errors
    assert kept == [False] * 3
    assert webhal.chunked.Chunked(9).limit == 9


def test_for_more_clients_than_slots_leaves_the_deadlines():
    with serve(hello()) as bench, lacking("overload", "accept"):
        for _ in range(bench.server.connections):
            bench.connect()
        bench.run(100)
        last = bench.connect(get())
        for _ in range(2000):  # bench.run would wait for a step without a MemoryError
            bench.server.step(0)
            bench.net.advance(10)
        assert b"hello" in last.received


def test_for_more_clients_than_slots_lets_none_wait_for_ever():
    with serve(hello()) as bench, lacking("overload", "accept"):
        there = [bench.connect(get()) for _ in range(bench.server.connections)]
        bench.run(500)
        last = bench.connect(get())
        for step in range(1, 201):  # two seconds, in which those who are there never idle for as long as they may
            bench.server.step(0)
            bench.net.advance(10)
            if step % 50 == 0:
                for client in there:
                    if client.state == "open":
                        client.send(get())
        assert b"hello" in last.received


def test_for_the_busy_step_costs_one_of_those_whose_turn_it_is():
    app = hello()
    ended = []

    @app.get("/pieces")
    def pieces(request):
        try:
            while True:
                yield "piece"
        finally:
            ended.append(True)

    with serve(app, harsh=False) as bench:
        idle = bench.connect(get())
        streaming = [bench.connect(get("/pieces")) for _ in range(3)]
        bench.until(lambda: all([b"piece" in client.received for client in streaming]))
        with lacking("loop", "step"):
            for count in (1, 2, 3):
                bench.server.step(10)
                assert len(ended) == count and len(bench.server.slots) == 4 - count
            assert idle.state == "open"
            idle.read()
            idle.send(get())
            bench.server.step(10)
            assert b"hello" in idle.received


def test_for_the_busy_step_where_handlers_sleep_costs_who_idles_and_leaves_the_rest():
    app = hello()

    @app.get("/sleep")
    async def slow(request):
        await sleep_ms(5000)
        return "slept"

    with serve(app, harsh=False, connections=10, deadlines=(2, 2, 60, 2)) as bench:
        sleeper = bench.connect(get("/sleep", "Connection: close\r\n"))
        idle = [bench.connect(get()) for _ in range(2)]
        silent = bench.connect()
        bench.run(100)
        with lacking("loop", "step"):
            bench.server.step(10)
            assert [client.state for client in idle].count("ended") == 1
            late = bench.connect(get())
            for _ in range(300):
                bench.server.step(10)
            assert b"hello" in late.received and late.state == "ended"  # it idled
            assert silent.state == "ended" and sleeper.state == "open"  # deadlines go on
        bench.until(lambda: sleeper.received.endswith(b"slept"))
