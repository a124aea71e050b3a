"""A server's limits, its start and stop, and a link that is lost in the middle of everything and comes back."""

from serving import get, serve

from webhal import App, sleep_ms
from webhal.server import Server
from webhal.testing.fake import FakeNetwork

CLOSE = "Connection: close\r\n"


def hello():
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/big")(lambda request: "~" * 1500)
    app.post("/")(lambda request: request.body)
    app.ended = []

    @app.get("/sleep")
    async def slow(request):
        try:
            await sleep_ms(3000)
            return "slept"
        finally:
            app.ended.append("sleep")

    @app.get("/pieces")
    async def pieces(request):
        try:
            while True:
                yield "piece"
                await sleep_ms(100)
        finally:
            app.ended.append("pieces")

    return app


def raises(error_type, act):
    try:
        act()
    except error_type as error:
        return error
    raise AssertionError("nothing raised")


# -- limits -----------------------------------------------------------------------------------------------


def test_wrong_limits_are_named():
    for limits in (
        {"connections": 0},
        {"connections": -1},
        {"connections": "4"},
        {"head": 0},
        {"body": -1},
        {"buffer": 0},
        {"deadlines": (1, 2, 3)},
        {"deadlines": (1, 2, 3, 0)},
        {"deadlines": (1, 2, 3, 4, 5)},
    ):
        (name,) = limits
        assert name in str(raises(ValueError, lambda limits=limits: Server(App(), FakeNetwork(), **limits)))
    assert "'slots'" in str(raises(TypeError, lambda: Server(App(), FakeNetwork(), slots=4)))


def test_limits_come_from_the_caller_else_from_the_network_else_from_the_smallest_board():
    net = FakeNetwork()
    server = Server(App(), net)
    assert (server.connections, server.head, server.body, server.buffer) == (4, 1024, 2048, 512)
    net.limits = {"connections": 6, "body": 0, "deadlines": (1, 2, 3, 4)}
    server = Server(App(), net)
    assert (server.connections, server.head, server.body, server.deadlines) == (6, 1024, 0, seconds(1, 2, 3, 4))
    server = Server(App(), net, connections=1, body=7, deadlines=(0.5, 1, 1, 1))
    assert (server.connections, server.body, server.deadlines) == (1, 7, seconds(0.5, 1, 1, 1))
    assert Server(App(), FakeNetwork()).connections == 4
    server = Server(App(), net, deadlines={"idle": 60})
    assert server.deadlines == seconds(1, 2, 60, 4)


def seconds(start, rest, idle, write):
    return {"start": start, "rest": rest, "idle": idle, "write": write, "linger": 2}


def test_a_deadline_may_be_a_fraction_of_a_second():
    with serve(hello(), deadlines=(0.6, 1, 1, 1)) as bench:
        client = bench.connect()
        bench.run(590)
        assert client.state == "open"
        bench.run(600)
        assert client.state == "ended"


def test_no_body_at_all():
    with serve(hello(), body=0) as bench:
        assert bench.ask(get(method="POST", body=b"x")).startswith(b"HTTP/1.1 413 ")
        assert bench.ask(get(fields=CLOSE, method="POST")).startswith(b"HTTP/1.1 200 ")


# -- start and stop -----------------------------------------------------------------------------------------


def test_port_0_is_one_that_the_platform_chooses():
    app = hello()
    told = []
    app.on("listen")(lambda address, port: told.append(port))
    net = FakeNetwork()
    server = Server(app, net)
    server.open(0)
    port = net.local_port(net.listeners[0])
    assert port and told == [port]
    net.lose_link()
    server.step(500)
    net.restore_link()
    for _ in range(100):
        server.step(500)
    assert net.local_port(net.listeners[0]) == port
    server.close()
    assert not net.listeners


def test_open_that_cannot():
    net = FakeNetwork()
    other = Server(hello(), net)
    other.open(80)
    raises(OSError, lambda: Server(hello(), net).open(80))
    net.lose_link()
    assert "no such network" in str(raises(OSError, lambda: Server(hello(), net).open(81, timeout_ms=100)))
    other.close()


def test_stop_with_nothing_to_do():
    with serve(hello()) as bench:
        bench.server.stop()
        bench.server.run()
        assert not bench.net.listeners


def test_stop_finishes_what_runs_and_closes_what_idles():
    for seed in range(5):
        with serve(hello(), seed) as bench:
            idle = bench.connect(get())
            silent = bench.connect()
            sleeper = bench.connect(get("/sleep"))
            upload = bench.connect(get(method="POST", body=b"12345")[:-1])
            bench.run(200)
            start = bench.net.now
            bench.server.stop()
            upload.send_later(1000, b"5")
            states = []
            bench.net.at(600, lambda idle=idle, silent=silent, states=states: states.extend([idle.state, silent.state]))
            bench.server.run()
            assert bench.net.now - start < 6000
            assert states == ["ended"] * 2
            assert idle.state == silent.state == "ended" and idle.received.endswith(b"hello")
            assert sleeper.received.endswith(b"slept") and b"Connection: close" in sleeper.received
            assert upload.received.endswith(b"12345") and b"Connection: close" in upload.received
            assert not bench.net.listeners and not bench.net.sockets
            assert bench.net.connect().state == "refused"


def test_stop_does_not_wait_for_a_head_that_was_begun():
    with serve(hello()) as bench:
        client = bench.connect(b"GET / HT")
        bench.run(100)
        start = bench.net.now
        bench.server.stop()
        bench.server.run()
        assert bench.net.now - start < 1000 and client.state == "ended"


def test_stop_does_not_wait_for_ever():
    with serve(hello(), deadlines=(1, 100, 1, 100)) as bench:
        endless = bench.connect(get("/pieces"))
        stuck = bench.connect(get("/big"))
        stuck.window = 10
        half = bench.connect(b"GET / HT")
        bench.run(15000)  # the ten seconds begin with the stop
        start = bench.net.now
        bench.server.stop()
        bench.server.run()
        assert 9000 < bench.net.now - start < 11000
        assert not bench.net.sockets
        assert endless.state == stuck.state == half.state == "ended"


def test_stop_from_a_handler_lets_it_answer():
    app = hello()

    @app.get("/stop")
    def stop(request):
        bench.server.stop()
        return "bye"

    for seed in range(5):
        with serve(app, seed) as bench:
            client = bench.connect(get("/stop") + get() * 50)
            bench.server.run()
            assert client.received.endswith(b"bye") and b"Connection: close" in client.received
            assert client.state == "ended"  # not a reset: the answer has arrived


def test_stop_while_full():
    with serve(hello()) as bench:
        sleepers = [bench.connect(get("/sleep")) for _ in range(4)]
        bench.run(100)
        waiting = bench.connect(get())
        bench.run(100)
        assert bench.server.full
        bench.server.stop()
        bench.server.run()
        assert all([client.received.endswith(b"slept") for client in sleepers])
        assert waiting.state == "reset" and waiting.received == b""


def test_stop_while_the_link_is_lost():
    with serve(hello()) as bench:
        bench.net.lose_link()
        bench.run(2000)
        bench.server.stop()
        bench.server.run()
        assert not bench.net.listeners


# -- the link -----------------------------------------------------------------------------------------------


def test_link_lost_in_the_middle_of_everything_and_back_30_s_later():
    for seed in range(6):
        app = hello()
        events = []
        app.on("link")(events.append)
        with serve(app, seed, connections=10) as bench:
            clients = [
                bench.connect(),
                bench.connect(get()),
                bench.connect(b"GET / HT"),
                bench.connect(get(method="POST", body=b"12345")[:-1]),
                bench.connect(get("/sleep")),
                bench.connect(get("/pieces")),
                bench.connect(get() * 20),
            ]
            slow = bench.connect(get("/big"))
            slow.window = 10
            bench.run(50 + 10 * seed)
            bench.connect()
            bench.net.lose_link()
            bench.run(1500)
            assert events == ["down"]
            assert not bench.server.slots and not bench.net.sockets and not bench.net.listeners
            assert sorted(app.ended) == ["pieces", "sleep"]
            assert [client.state for client in clients] == ["reset"] * 7
            bench.run(28500)
            ups = bench.net.calls["up"]
            assert 4 <= ups <= 8  # each after a longer pause
            bench.net.restore_link()
            back = bench.net.now
            bench.until(lambda bench=bench: bench.net.listeners)
            assert bench.net.now - back <= 33000
            assert bench.ask(get("/", CLOSE)).endswith(b"hello")
            assert events == ["down", "up"]


def test_link_that_is_lost_again():
    app = hello()
    events = []
    app.on("link")(events.append)
    with serve(app) as bench:
        for _ in range(3):
            bench.net.lose_link()
            bench.run(1000)
            bench.net.restore_link()
            back = bench.net.now
            bench.until(lambda: bench.net.listeners)
            assert bench.net.now - back < 3000  # the pauses begin anew
            assert bench.ask(get("/", CLOSE)).endswith(b"hello")
        assert events == ["down", "up"] * 3


def test_a_lost_link_is_tried_after_pauses_that_double_up_to_32_seconds():
    with serve(hello(), harsh=False) as bench:
        up = bench.net.up
        tries = []
        bench.net.up = lambda timeout_ms: tries.append(bench.net.now) or up(timeout_ms)
        bench.net.lose_link()
        bench.until(lambda: not bench.net.listeners)
        tries.append(bench.net.now)
        bench.until(lambda: len(tries) == 9)
        pauses = [(tries[i + 1] - tries[i]) // 1000 for i in range(8)]
        assert pauses == [1, 2, 4, 8, 16, 32, 32, 32], tries
        bench.net.restore_link()
        bench.until(lambda: bench.net.listeners)


def test_a_link_that_is_lost_without_a_word_from_any_socket():
    app = hello()
    events = []
    app.on("link")(events.append)
    with serve(app) as bench:
        client = bench.connect(get())
        bench.until(lambda: client.received.endswith(b"hello"))
        bench.net.status = lambda: "down"  # no socket fails, as where a radio is out of reach
        bench.run(1000)
        assert events == ["down"] and client.state == "ended"
        assert not bench.net.listeners and not bench.net.sockets
        del bench.net.status
        bench.run(3000)
        assert events == ["down", "up"]
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_link_lost_while_full():
    with serve(hello()) as bench:
        for _ in range(6):
            bench.connect(get("/sleep"))
            bench.run(50)
        assert bench.server.full
        bench.net.lose_link()
        bench.run(1000)
        bench.net.restore_link()
        bench.run(5000)
        assert not bench.server.full
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_listening_that_fails_after_the_link_came_back():
    with serve(hello()) as bench:
        bench.net.fail("listen", 1, OSError("not yet"))
        bench.net.fail("watch", 1, OSError("finished"))
        bench.net.fail("watch", 2, MemoryError("of the port"))
        bench.net.fail("up", 1, OSError("no"))
        bench.net.lose_link()
        bench.run(1000)
        bench.net.restore_link()
        bench.run(8000)
        assert len(bench.net.listeners) == 1 and not bench.net._faults
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")
