"""Stopping: what has arrived is answered, what runs finishes or is ended, and all is closed."""

from serving import get, hello, lasting, serve

from webhal import sleep_ms
from webhal.server import Server


def test_stop_with_nothing_to_do():
    with serve(lasting()) as bench:
        bench.server.stop()
        bench.server.run()
        assert not bench.net.listeners


def test_stop_finishes_what_runs_and_closes_what_idles():
    for seed in range(5):
        with serve(lasting(), seed) as bench:
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
    with serve(lasting()) as bench:
        client = bench.connect(b"GET / HT")
        bench.run(100)
        start = bench.net.now
        bench.server.stop()
        bench.server.run()
        assert bench.net.now - start < 1000 and client.state == "ended"


def test_stop_does_not_wait_for_ever():
    with serve(lasting(), deadlines=(1, 100, 1, 100)) as bench:
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
    app = lasting()

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
    with serve(lasting()) as bench:
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
    with serve(lasting()) as bench:
        bench.net.lose_link()
        bench.run(2000)
        bench.server.stop()
        bench.server.run()
        assert not bench.net.listeners


def test_answers_of_a_server_that_stops_close():
    app = lasting()
    app.get("/stop")(lambda request: bench.server.stop() or "bye")
    for path in ("/", "/big", "/none"):
        for accepted_ms in (0, 100):
            with serve(app, harsh=False) as bench:
                clients = [bench.connect() for _ in range(4)]
                bench.run(accepted_ms)
                for client in clients:
                    client.send(get(path if client is not clients[0] else "/stop"))
                bench.server.run()
                for client in clients:
                    assert client.state == "ended" and client.received.count(b"HTTP/1.1 ") == 1
                    assert client.received.count(b"Connection: close\r\n") == 1, path


if Server.__module__ == "webhal_cpython.serving":

    def test_the_first_signal_stops_the_second_does_as_it_will_and_the_application_has_its_own():
        import signal

        def own(number, frame):
            bench.server.stop()

        default = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
        before = {each: signal.signal(each, default[each]) for each in default}
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                for planned in (default[number], own):
                    signal.signal(number, planned)
                    with serve(lasting()) as bench:
                        sleeper = bench.connect(get("/sleep"))
                        seen = []
                        for ms in (500, 1500):
                            bench.net.at(ms, lambda number=number, seen=seen: seen.append(signal.getsignal(number)))
                        bench.net.at(1000, lambda number=number: signal.raise_signal(number))
                        bench.server.run()
                        assert sleeper.received.endswith(b"slept")
                        assert (seen[0] is own) == (planned is own) and seen[0] is not default[number]
                        assert seen[1] == planned
                    with serve(lasting()) as bench:
                        bench.net.at(100, bench.server.stop)
                        bench.server.run()
                    assert signal.getsignal(number) == planned
                    signal.signal(number, default[number])
        finally:
            for each in before:
                signal.signal(each, before[each])


def test_a_head_that_has_arrived_is_answered_however_many_receives_it_takes():
    for limits in ({"buffer": 64}, {"buffer": 512}):
        with serve(hello(), harsh=False, **limits) as bench:
            client = bench.connect()
            bench.run(20)  # it is accepted, and has said nothing
            client.send(get("/", "X: %s\r\n" % ("a" * 700)))
            bench.net.advance(10)
            bench.server.stop()
            bench.server.run()
            assert client.received.endswith(b"hello"), (limits, client.received)


def test_the_ten_seconds_begin_with_the_stop_without_a_listener_too():
    app = hello()

    @app.get("/sleep")
    async def slow(request):
        await sleep_ms(3000)
        return "slept"

    with serve(app, harsh=False) as bench:
        bench.run(20_000)
        client = bench.connect(get("/sleep"))
        bench.until(lambda: bench.server.clock)
        bench.server.unlisten()  # as when it fails
        bench.server.stop()
        bench.server.run()
        assert client.received.endswith(b"slept"), client.received


if hasattr(Server, "drain"):

    def test_a_server_that_drains_serves_who_idled_and_closes_who_goes_on_idling():
        for seed in range(5):
            with serve(lasting(), seed, connections=5) as bench:
                idle = bench.connect(get())
                busy = bench.connect(get())
                silent = bench.connect()
                late = bench.connect()
                begun = bench.connect(b"GET / HT")
                bench.run(200)
                bench.server.drain()
                busy.send_later(500, get())
                late.send_later(500, get())
                begun.send_later(500, b"TP/1.1\r\nHost: x\r\n\r\n")
                states = []
                for ms in (700, 2500):
                    bench.net.at(
                        ms, lambda idle=idle, states=states, silent=silent: states.extend([idle.state, silent.state])
                    )
                bench.server.run()
                assert states == ["open"] * 2 + ["ended"] * 2
                for client, count in ((busy, 2), (late, 1), (begun, 1)):
                    assert client.received.count(b"HTTP/1.1 200 OK") == count
                    assert client.received.count(b"Connection: close\r\n") == 1

    def test_a_server_that_drains_may_be_given_another_time():
        with serve(lasting(), deadlines=(1, 100, 1, 100)) as bench:
            endless = bench.connect(get("/pieces"))
            bench.run(100)
            bench.server.drain(100)
            bench.run(20000)
            assert endless.state == "open"
            start = bench.net.now
            bench.server.drain()
            bench.server.run()
            assert 9000 < bench.net.now - start < 11000 and endless.state == "ended"
