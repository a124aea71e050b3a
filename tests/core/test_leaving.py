"""Clients that leave, stop reading or end their side: their handlers end, once, and what they held is closed."""

from serving import CLOSE, get, raises, serve

from webhal import App, sleep_ms


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


def leaving():
    app = App()
    app.ended = []

    @app.get("/sleep")
    async def sleep(request):
        try:
            await sleep_ms(60000)
        finally:
            app.ended.append("sleep")

    @app.get("/pieces")
    async def pieces(request):
        try:
            while True:
                yield "piece"
                await sleep_ms(10)
        finally:
            app.ended.append("pieces")

    @app.get("/fast")
    def fast(request):
        try:
            while True:
                yield "x" * 100
        finally:
            app.ended.append("fast")

    @app.post("/upload", stream=True)
    async def upload(request):
        try:
            while await request.read():
                pass
        finally:
            app.ended.append("upload")
        return "done"

    return app


def test_a_client_that_leaves_ends_its_handler_once():
    upload = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"
    for data in (get("/sleep"), get("/pieces"), get("/fast"), upload, get("/sleep") + get()):
        for ending in ("close", "reset"):
            for seed in (1, 2, 3):
                app = leaving()
                with serve(app, seed) as bench:
                    client = bench.connect(data)
                    client.window = 700
                    bench.run(300)
                    assert not app.ended and len(bench.server.slots) == 1
                    client.window = None
                    getattr(client, ending)()
                    # One that sent more before it closed is noticed by the answer; one that resets is at once.
                    if data.endswith(get()) and ending == "close":
                        bench.run(60000)
                    bench.run(100)
                    assert len(app.ended) == 1, (data, ending)
                    assert not bench.server.slots


def test_a_client_that_does_not_read_ends_its_handler_in_the_end():
    app = leaving()
    with serve(app, deadlines=(1, 1, 1, 5)) as bench:
        client = bench.connect(get("/pieces"))
        client.window = 400
        bench.run(4000)
        assert not app.ended
        bench.run(3000)
        assert app.ended == ["pieces"] and client.state != "open"


def test_whoever_closes_a_connection_ends_its_handler_once():
    def close(bench):
        bench.server.close()

    def stop(bench):
        bench.server.stop()
        bench.server.run()

    def overload(bench):
        bench.run(2000)
        bench.ask(get("/none", CLOSE))

    def link(bench):
        bench.net.lose_link()
        bench.until(lambda: not bench.server.slots)
        bench.net.restore_link()
        bench.until(lambda: bench.net.listeners)

    for end in (close, stop, overload, link):
        for path in ("/fast", "/pieces", "/sleep"):
            if end is overload and path == "/sleep":
                continue  # a handler that waits is left alone
            app = leaving()
            with serve(app, connections=1) as bench:
                client = bench.connect(get(path))
                client.window = 400
                bench.run(1000)
                assert not app.ended and len(bench.server.slots) == 1
                end(bench)
                assert app.ended == [path[1:]], end
                if end is close:
                    bench.server.open()


def test_one_who_ends_its_side_gets_the_stream():
    app = App()
    app.get("/")(lambda request: iter(["x" * 100] * 10))
    for seed in range(5):
        with serve(app, seed) as bench:
            client = bench.connect(get())
            client.shutdown()
            bench.until(lambda client=client: client.state == "ended")
            assert client.received.endswith(b"\r\n0\r\n\r\n") and client.received.count(b"x" * 100) == 10
    with serve(app, harsh=False) as bench:  # its end is not looked at again with each piece
        client = bench.connect(get())
        client.shutdown()
        bench.until(lambda: client.state == "ended")
        assert bench.net.calls["recv_into"] <= 4


def test_the_source_is_closed_whatever_happens():
    for count, ending in ((3, None), (200, "close"), (200, "reset")):
        source = Pieces(["x" * 50] * count)
        app = App()
        app.get("/")(lambda request, source=source: source)
        with serve(app) as bench:
            client = bench.connect(get("/", CLOSE))
            if ending:
                client.window = 500
                bench.run(100)
                assert not source.closed
                client.window = None
                getattr(client, ending)()
            bench.run(100)
            assert source.closed == 1 and not bench.server.slots


def test_a_handler_that_fails_while_it_is_ended():
    app = App()

    @app.get("/")
    async def bad(request):
        try:
            await sleep_ms(60000)
        finally:
            raise ValueError("while it ends")

    with serve(app) as bench:
        client = bench.connect(get())
        bench.run(100)
        client.close()
        bench.run(100)
        assert bench.take_log() == ["ValueError"] and not bench.server.slots


def test_ctrl_c_while_a_handler_is_ended_is_not_swallowed():
    for awaits in (False, True):
        app = App()

        @app.get("/")
        async def bad(request, awaits=awaits):
            try:
                await sleep_ms(60000)
            finally:
                if awaits:
                    await sleep_ms(10)
                raise KeyboardInterrupt

        with serve(app) as bench:
            client = bench.connect(get())
            bench.run(100)
            client.close()
            raises(KeyboardInterrupt, bench.run, 100)
            bench.server.close()
            bench.server.open()
