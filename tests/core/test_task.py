"""What handlers wait for: times and bodies. How much a step does must not depend on how many wait."""

import sys

from serving import CLOSE, body_of, get, serve

from webhal import App, sleep_ms
from webhal.task import Read, Wait
from webhal.topic import Event

MANY = 16  # handlers that wait


def sleepers():
    app = App()
    app.get("/")(lambda request: "hello")

    @app.get("/sleep/<int:ms>")
    async def sleep(request, ms):
        await sleep_ms(ms)
        return "slept %d" % ms

    @app.post("/upload", stream=True)
    async def upload(request):
        count = 0
        while True:
            piece = await request.read(100)
            if not piece:
                return "%d" % count
            count += len(piece)

    return app


def test_handlers_wake_in_the_order_of_their_times():
    with serve(sleepers(), connections=8) as bench:
        woken = []
        clients = [(ms, bench.connect(get("/sleep/%d" % ms, CLOSE))) for ms in (300, 100, 200, 0, 250, 100)]
        while len(woken) < len(clients):
            bench.server.step(10)
            for ms, client in clients:
                if client.received.endswith(b"slept %d" % ms) and client not in woken:
                    woken.append(client)
        order = [ms for client in woken for ms, each in clients if each is client]
        assert order == sorted(order), order


def test_nobody_is_woken_early_or_much_too_late():
    with serve(sleepers(), harsh=False) as bench:
        start = bench.net.now
        assert bench.ask(get("/sleep/700", CLOSE)).endswith(b"slept 700")
        assert 700 <= bench.net.now - start < 720, bench.net.now - start


class Counting:
    """Counts how often the server asks its network something that it asks of each that waits."""

    def __init__(self, net):
        self.calls = 0
        self.inner = net.ticks_diff

    def __call__(self, later, earlier):
        self.calls += 1
        return self.inner(later, earlier)


def work_of_requests(bench, clients):
    """Operations that 20 requests on one connection take beside `clients`."""
    client = bench.connect(get())
    bench.until(lambda: client.received.endswith(b"hello"))
    counting = bench.net.ticks_diff = Counting(bench.net)
    last = bench.server.ticked
    for number in range(2, 22):
        client.send(get())
        bench.until(lambda number=number: client.received.count(b"hello") == number)
    assert bench.server.ticked == last  # deadlines are looked at twice a second, however many requests there are
    assert not [each for each in clients if each.received]
    return counting.calls


def test_a_request_costs_the_same_whatever_sleeps():
    calls = []
    for path in (None, "/sleep/60000"):
        with serve(sleepers(), harsh=False, connections=MANY + 2) as bench:
            clients = [bench.connect(get(path)) for _ in range(MANY)] if path else []
            bench.until(lambda clients=clients: len(bench.server.clock or ()) == len(clients))
            calls.append(work_of_requests(bench, clients))
            for client in clients:
                client.close()
    assert calls[1] <= calls[0] + 3 * 21, calls  # the first in the clock is looked at in each step


def test_a_request_costs_the_same_whatever_waits_for_its_body():
    calls = []
    head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123"
    for count in (0, MANY):
        with serve(sleepers(), harsh=False, connections=MANY + 2) as bench:
            clients = [bench.connect(head) for _ in range(count)]
            bench.run(100)
            assert len(bench.server.slots) == count and not bench.server.again
            calls.append(work_of_requests(bench, clients))
            for client in clients:
                client.close()
    assert calls[1] <= calls[0] + 10, calls


def test_who_leaves_takes_its_place_in_the_clock_along():
    with serve(sleepers(), connections=8) as bench:
        clients = [bench.connect(get("/sleep/%d" % ms)) for ms in (900, 500, 700, 500)]
        bench.until(lambda: len(bench.server.clock or ()) == 4)
        clients[3].close()
        clients[2].close()
        bench.until(lambda: len(bench.server.clock) == 2)
        assert [waiting.ms for waiting in bench.server.clock] == [900, 500]
        for client in clients[:2]:
            client.close()


def test_a_sleep_that_cannot_be_is_told():
    for ms in ("5", None, 1.5, 1 << 40):
        try:
            sleep_ms(ms)
        except TypeError as error:
            assert "sleep_ms" in str(error)
        else:
            raise AssertionError(ms)


def test_what_is_not_awaited_is_told_where_the_log_is():
    if sys.implementation.name != "cpython":
        return  # boards do not call __del__
    app = App()

    @app.get("/")
    async def forgets(request):
        sleep_ms(5)
        request.read(3)
        kept = sleep_ms(1)
        Event().wait()
        await kept
        return "done"

    with serve(app) as bench:
        assert bench.ask(get("/", CLOSE)).endswith(b"done")
        place = "in forgets (test_task.py:%d)"
        line = forgets.__code__.co_firstlineno + 2
        assert [str(error) for error in bench.logged] == [
            "sleep_ms(…) does nothing unless it is awaited: " + place % line,
            "request.read(…) does nothing unless it is awaited: " + place % (line + 1),
            "Event.wait() does nothing unless it is awaited: " + place % (line + 3),
        ]
        bench.take_log()


def test_what_was_awaited_is_not_awaited_again():
    if sys.implementation.name != "cpython":
        return  # boards do not look: there is no second time
    app = App()

    @app.get("/")
    async def twice(request):
        pause = sleep_ms(5)
        await pause
        await pause

    @app.get("/yield")
    def yields(request):
        pause = sleep_ms(5)
        yield from pause
        yield from pause

    with serve(app) as bench:
        for path in ("/", "/yield"):
            assert bench.ask(get(path, CLOSE)).startswith(b"HTTP/1.1 500 ")
            assert str(bench.logged[0]) == "sleep_ms(…) is awaited already"
            assert bench.take_log() == ["RuntimeError"]


def test_a_body_that_was_read_whole_can_be_read_in_pieces_too():
    app = App()

    @app.post("/")
    async def pieces(request):
        found = []
        while True:
            piece = await request.read(4)
            if not piece:
                return b"|".join(found) + b"|" + request.body
            found.append(piece)

    with serve(app) as bench:
        assert bench.ask(get("/", CLOSE, "POST", body=b"0123456789")).endswith(b"\r\n\r\n0123|4567|89|0123456789")
        assert bench.ask(get("/", CLOSE, "POST")).endswith(b"\r\n\r\n|")


def test_so_much_cannot_be_read():
    app = App()

    async def reads(request):
        try:
            return await request.read(most)
        except ValueError as error:
            return "%s|" % error + str(await request.read(1), "utf-8")

    app.post("/whole")(reads)
    app.post("/stream", stream=True)(reads)
    for most in (0, -1, -512, None, "a", 1.5, b""):
        with serve(app) as bench:
            for path in ("/whole", "/stream"):
                answer = bench.ask(get(path, CLOSE, "POST", body=b"0123456789"))
                words = "read takes a number of bytes, at least 1, not %r|0" % (most,)
                assert body_of(answer) == words.encode(), answer


def test_the_body_of_a_handler_that_reads_it_is_not_there():
    app = App()

    @app.post("/", stream=True)
    async def wrong(request):
        return request.body

    with serve(app) as bench:
        assert bench.ask(get("/", CLOSE, "POST", body=b"abc")).startswith(b"HTTP/1.1 500 ")
        assert "request.read" in str(bench.logged[0])
        bench.take_log()


def test_reading_after_the_client_has_left_fails():
    app = App()
    failed = []

    @app.post("/", stream=True)
    async def handler(request):
        try:
            await sleep_ms(100_000)
        finally:
            try:
                await request.read()
            except OSError as error:
                failed.append(str(error))

    with serve(app) as bench:
        client = bench.connect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        bench.until(lambda: bench.server.clock)
        client.close()
        bench.until(lambda: failed)
        assert failed == ["the client has left"]


def test_what_can_be_waited_for_is_its_own_iterator():
    for waiting in (sleep_ms(1), Read(None, 1)):
        assert isinstance(waiting, Wait) and iter(waiting) is waiting
