"""A link that is lost in the middle of everything and comes back, and a listener that cannot be made at once."""

from serving import CLOSE, get, lasting, serve


def test_link_lost_in_the_middle_of_everything_and_back_30_s_later():
    for seed in range(6):
        app = lasting()
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
    app = lasting()
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
    with serve(lasting(), harsh=False) as bench:
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
    app = lasting()
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
    with serve(lasting()) as bench:
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
    with serve(lasting()) as bench:
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
