"""More clients than slots or sockets: the offender makes room, at once, and whoever works is left alone."""

import sys

from serving import CLOSE, get, hello, serve

from webhal import sleep_ms


def busy():
    app = hello()
    app.post("/")(lambda request: "%d" % len(request.body))

    @app.post("/stream", stream=True)
    async def upload(request):
        total = 0
        while True:
            piece = await request.read()
            total += len(piece)
            if not piece:
                return "%d" % total

    @app.get("/sleep")
    async def slow(request):
        await sleep_ms(3000)
        return "slept"

    return app


def assert_answered_at_once(bench, ms=150):
    start = bench.net.now
    assert bench.ask(get("/", CLOSE)).endswith(b"hello")
    assert bench.net.now - start <= ms, bench.net.now - start


def test_the_longest_idle_connection_makes_room():
    for seed in range(5):
        with serve(busy(), seed) as bench:
            clients = []
            for _ in range(4):
                clients.append(bench.connect(get()))
                bench.until(lambda clients=clients: clients[-1].received.endswith(b"hello"))
                bench.run(100)
            clients[0].send(get())  # so the second has been idle longest
            bench.until(lambda clients=clients: clients[0].received.count(b"hello") == 2)
            bench.run(100)
            assert_answered_at_once(bench)
            assert [client.state for client in clients] == ["open", "ended", "open", "open"]


def test_silent_clients_make_room_before_those_in_the_middle_of_a_request():
    with serve(busy()) as bench:
        half = bench.connect(b"GET / HT")
        silent = [bench.connect() for _ in range(3)]
        bench.run(1500)
        assert_answered_at_once(bench)
        assert half.state == "open"
        assert sorted([client.state for client in silent]) == ["ended", "open", "open"]
        half.send(b"TP/1.1\r\nHost: a\r\n\r\n")
        bench.until(lambda: half.received.endswith(b"hello"))


def test_dripping_clients_make_room():
    for start in (b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"):
        for seed in (1, 2, 3):
            with serve(busy(), seed) as bench:
                clients = [bench.connect(start) for _ in range(4)]

                def drip(clients=clients, bench=bench):
                    for client in clients:
                        if client.state == "open":
                            client.send(b"x")
                    bench.net.at(1000, drip)

                drip()
                bench.run(2500)
                assert [client.state for client in clients] == ["open"] * 4
                assert_answered_at_once(bench)
                assert [client.state for client in clients].count("open") == 3


def test_clients_that_never_read_make_room():
    for seed in (1, 2, 3):
        with serve(busy(), seed) as bench:
            clients = [bench.connect(get("/big")) for _ in range(4)]
            for client in clients:
                client.window = 100
            bench.run(2500)
            assert_answered_at_once(bench)
            assert [client.state for client in clients].count("open") == 3


def test_who_uploads_or_downloads_at_a_fair_speed_is_left_alone():
    with serve(busy(), body=2000, deadlines=(5, 60, 2, 10)) as bench:
        head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
        uploads = [bench.connect(head % path) for path in (b"/", b"/stream")]
        downloads = [bench.connect(get("/big")) for _ in range(2)]
        for client in downloads:
            client.window = 10

        def flow():
            for client in uploads:
                if sent[client] < 2000:
                    sent[client] += 200
                    client.send(b"x" * 200)
            for client in downloads:
                client.window += 100
            bench.net.at(150, flow)

        sent = {client: 0 for client in uploads}
        flow()
        bench.run(1050)
        newcomers = [bench.connect(get("/", CLOSE)) for _ in range(3)]
        bench.run(200)
        assert [client.state for client in uploads + downloads] == ["open"] * 4
        bench.until(lambda: all([client.received.endswith(b"2000") for client in uploads]))
        bench.until(lambda: all([client.received.count(b"~") == 1500 for client in downloads]))
        bench.until(lambda: all([client.received.endswith(b"hello") for client in newcomers]))
        for client in downloads:
            client.close()


def test_running_handlers_are_left_alone_and_newcomers_wait():
    with serve(busy()) as bench:
        sleepers = [bench.connect(get("/sleep")) for _ in range(4)]
        bench.run(100)
        newcomers = [bench.connect(get("/", CLOSE)) for _ in range(3)]
        bench.run(2000)
        assert [client.state for client in newcomers] == ["connecting"] * 3
        bench.until(lambda: all([client.received.endswith(b"hello") for client in newcomers]))
        assert all([client.received.endswith(b"slept") for client in sleepers])
        assert bench.net.now < 3500


def test_who_has_waited_for_room_is_accepted_at_once_when_there_is_some():
    with serve(busy(), harsh=False, connections=60) as bench:
        idle = [bench.connect() for _ in range(60)]
        bench.run(10)
        waiting = [bench.connect(get("/", CLOSE)) for _ in range(60)]
        bench.run(10)
        assert len(bench.server.slots) == 60 and not any([client.received for client in waiting])
        for client in idle:
            client.close()
        start = bench.net.now
        bench.until(lambda: all([client.received.endswith(b"hello") for client in waiting]))
        assert bench.net.now - start < 60, bench.net.now - start


def test_a_full_server_that_waits_is_not_busy():
    with serve(busy(), harsh=False) as bench:
        sleepers = [bench.connect(get("/sleep")) for _ in range(4)]
        bench.run(100)
        newcomer = bench.connect(get("/", CLOSE))
        before = bench.net.calls["wait"]
        bench.run(2000)
        assert bench.net.calls["wait"] - before <= 2000 // 20 + 10
        assert sleepers[0].state == "open" and newcomer.state == "connecting"
        bench.until(lambda: newcomer.state == "ended")


def test_answers_of_a_full_server_close():
    with serve(busy(), harsh=False) as bench:
        clients = [bench.connect(get("/sleep")) for _ in range(3)]
        keeper = bench.connect(get())
        bench.until(lambda: keeper.received.endswith(b"hello"))
        newcomers = [bench.connect() for _ in range(3)]
        bench.run(5)
        keeper.send(get() + get() * 50)
        bench.run(5)
        assert keeper.state == "ended"  # what it sent besides does not cost it the answer
        assert keeper.received.count(b"hello") == 2 and b"Connection: close" in keeper.received
        keeper.close()
        bench.run(9000)
        assert clients[0].received.endswith(b"slept")
        assert [client.state for client in newcomers] == ["ended"] * 3


def test_200_silent_connections_in_4_slots():
    for seed in (1, 2):
        with serve(busy(), seed) as bench:
            for i in range(200):
                bench.connect()
                bench.run(5)
                if i % 40 == 39:
                    assert_answered_at_once(bench)
            assert 3 <= len(bench.server.slots) <= 4
            assert_answered_at_once(bench)


def test_200_silent_connections_in_1024_slots():
    count = 200 if sys.implementation.name == "cpython" else 50  # the clients take their memory here too
    with serve(busy(), harsh=False, connections=1024) as bench:
        silent = [bench.connect() for _ in range(count)]
        bench.run(100)
        assert_answered_at_once(bench)
        assert [client.state for client in silent] == ["open"] * count
        bench.run(6000)
        assert [client.state for client in silent] == ["ended"] * count


def test_a_flood_does_not_starve_a_connection():
    with serve(busy(), connections=100) as bench:
        working = bench.connect(get())
        bench.until(lambda: working.received.endswith(b"hello"))
        working.read()
        steps = []

        def flood():
            for _ in range(20):
                bench.connect()
            bench.net.at(5, flood)

        flood()
        working.send(get())
        while not working.received.endswith(b"hello"):
            bench.server.step(10)
            steps.append(1)
        assert len(steps) < 30
        bench.net._events.clear()


def test_no_free_socket():
    for seed in range(5):
        with serve(busy(), seed, harsh=seed > 0, sockets=2) as bench:
            silent = [bench.connect(), bench.connect()]
            bench.run(100)
            assert seed or [client.state for client in silent] == ["open"] * 2  # nobody waits yet
            assert_answered_at_once(bench)
            sleepers = [bench.connect(get("/sleep")), bench.connect(get("/sleep"))]
            bench.run(200)
            newcomer = bench.connect(get("/", CLOSE))
            bench.run(1000)
            assert newcomer.state == "connecting" and [client.state for client in sleepers] == ["open"] * 2
            bench.until(lambda newcomer=newcomer: newcomer.received.endswith(b"hello"))


def test_accept_that_fails_for_a_while():
    with serve(busy()) as bench:
        idle = [bench.connect(get()) for _ in range(3)]
        bench.run(100)
        for nth in range(1, 10):
            bench.net.fail("accept", nth, OSError("none to spare"))
        newcomer = bench.connect(get("/", CLOSE))
        bench.until(lambda: newcomer.received.endswith(b"hello"))
        assert not bench.server.full or bench.net.now < 500
        bench.run(100)
        assert not bench.server.full and bench.net.listeners[0].read
        assert [client.received.endswith(b"hello") for client in idle] == [True] * 3


def test_a_listener_that_fails_is_made_anew():
    for nth in range(1, 4):
        with serve(busy()) as bench:
            for _ in range(4):
                bench.connect()
            bench.run(100)
            bench.net.fail("watch", nth, OSError("finished"))
            late = [bench.connect(get("/", CLOSE)) for _ in range(3)]
            bench.run(1500)
            assert_answered_at_once(bench, 600)
            assert len(bench.net.listeners) == 1 and not bench.net._faults
            for client in late:  # answered, or lost with the listener: nobody is left waiting
                assert client.state == "reset" or client.received.endswith(b"hello"), client.state


def test_only_some_answers_close_for_those_who_wait():
    for path, end in (("/", b"hello"), ("/none", b"Not Found\n")):  # the plain way and the others
        with serve(busy(), harsh=False, connections=11) as bench:
            keepers = [bench.connect(get(path)) for _ in range(11)]
            bench.run(15)
            newcomer = bench.connect()
            bench.server.step(0)
            assert bench.server.full and newcomer.state == "connecting"
            for client in keepers:
                assert client.read().endswith(end)
                client.send(get(path))
            bench.server.step(0)
            closing = [client for client in keepers if b"Connection: close" in client.received]
            assert len(closing) == 8, len(closing)  # as many as a step accepts
            for client in closing:  # or one that idles may make room instead of one that lingers
                client.close()
            bench.run(100)
            assert newcomer.state == "open"
            assert [client.state for client in keepers if client not in closing] == ["open"] * 3


def test_when_nobody_waits_any_more_answers_close_no_more():
    with serve(busy(), harsh=False) as bench:
        keepers = [bench.connect(get()) for _ in range(4)]
        bench.run(100)
        assert_answered_at_once(bench)
        assert not bench.server.full
        keepers[3].send(get("/big"))
        bench.run(10)
        assert keepers[3].state == "open" and b"Connection: close" not in keepers[3].received


def test_one_step_makes_room_for_a_bounded_number():
    with serve(busy(), harsh=False, connections=30) as bench:
        idle = [bench.connect(get()) for _ in range(30)]
        bench.run(200)
        newcomers = [bench.connect() for _ in range(20)]
        bench.server.step(0)
        assert [client.state for client in idle].count("ended") == 8
        bench.run(200)
        assert [client.state for client in newcomers] == ["open"] * 20


def test_all_of_many_more_clients_than_slots_are_served():
    for seed in range(3):
        with serve(busy(), seed) as bench:
            waiting = [[bench.connect(get()), 0] for _ in range(24)]  # each asks five times, and comes again if it must
            while waiting and bench.net.now < 20000:
                bench.run(5)
                for each in waiting:
                    client, count = each
                    if client.read().endswith(b"hello"):
                        each[1] += 1
                        if client.state == "open":
                            client.send(get())
                    if client.state not in ("open", "connecting"):
                        each[0] = bench.connect(get())
                for each in [each for each in waiting if each[1] >= 5]:
                    each[0].close()
                    waiting.remove(each)
            assert not waiting, [count for client, count in waiting]
