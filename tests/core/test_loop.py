"""The busy step: everyone has a turn, nobody more than that, and between events the server sleeps."""

from serving import CLOSE, follow, get, hello, numbered, serve

from webhal import App, sleep_ms


def test_one_who_pipelines_does_not_starve_others():
    for seed in range(5):
        with serve(hello(), seed) as bench:
            fast = follow(bench.connect(numbered(60)))
            bench.until(lambda fast=fast: len(fast()) >= 10)
            before = len(fast())
            other = bench.connect(get())
            bench.until(lambda other=other: other.received.endswith(b"hello"))
            assert len(fast()) - before < 40
            bench.until(lambda fast=fast: len(fast()) == 60)


def test_each_connection_gets_one_turn_a_step():
    with serve(hello(), harsh=False) as bench:
        numbers = [follow(bench.connect(numbered(9))) for _ in range(3)]
        counts = [[0, 0, 0]]
        while counts[-1] != [9, 9, 9]:
            bench.server.step(100)
            counts.append([len(follower()) for follower in numbers])
            assert all([counts[-1][i] - counts[-2][i] <= 1 for i in range(3)]), counts
        assert len(counts) == 10


def test_a_stream_does_not_starve_others():
    app = App()

    @app.get("/endless")
    def endless(request):
        while True:
            yield "x"

    app.get("/")(lambda request: "hello")
    with serve(app) as bench:
        client = bench.connect(get("/endless"))
        bench.until(lambda: len(client.received) > 200)
        client.read()
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")
        assert len(client.received) < 2000
        client.close()


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
