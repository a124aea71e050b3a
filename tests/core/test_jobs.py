"""Jobs: every, spawn, start and stop; and the rest of a handler whose client has left, within a bounded time."""

from serving import CLOSE, get, hello, raises, serve

from webhal import App, sleep_ms
from webhal.testing.live import frame, handshake
from webhal.websocket import websocket

ENDS_MS = 11_000  # more than a cancelled handler has


def leaving(finish):
    """An application whose handler waits, and in its `finally` does what `finish` does; and how far it came."""
    app = App()
    seen = []

    @app.get("/")
    async def handler(request):
        try:
            await sleep_ms(1_000_000)
        finally:
            seen.append("finally")
            await finish(seen)
            seen.append("end")

    return app, seen


def leave(bench):
    client = bench.connect(get())
    bench.until(lambda: bench.server.clock)
    client.close()
    bench.until(lambda: not bench.server.slots)


def test_finally_runs_to_its_end_awaits_included():
    async def finish(seen):
        await sleep_ms(300)
        await sleep_ms(400)

    app, seen = leaving(finish)
    with serve(app) as bench:
        leave(bench)
        assert seen == ["finally"] and len(bench.server.jobs) == 1
        start = bench.net.now
        bench.until(lambda: not bench.server.jobs)
        assert seen == ["finally", "end"] and bench.net.now - start >= 600


def test_but_not_for_ever():
    async def finish(seen):
        while True:
            await sleep_ms(100)

    app, seen = leaving(finish)
    with serve(app) as bench:
        leave(bench)
        bench.run(ENDS_MS)
        assert seen == ["finally"] and not bench.server.jobs and not bench.server.clock


def test_what_it_raises_is_logged_and_ends_nothing_else():
    for kind in (ValueError, SystemExit):
        for ms in (0, 5, 1_000_000):

            async def finish(seen, kind=kind, ms=ms):
                try:
                    if ms:
                        await sleep_ms(ms)
                finally:
                    raise kind("see the log")

            app, seen = leaving(finish)
            with serve(app) as bench:
                leave(bench)
                bench.run(ENDS_MS)
                assert not bench.server.jobs and bench.take_log() == [kind.__name__]


def test_a_server_that_is_closed_ends_it():
    async def finish(seen):
        await sleep_ms(5000)

    app, seen = leaving(finish)
    with serve(app) as bench:
        leave(bench)
        bench.server.close()
        assert seen == ["finally"] and not bench.server.jobs and not bench.server.clock
        bench.server.open()


def test_a_server_that_stops_waits_for_it():
    async def finish(seen):
        await sleep_ms(2000)

    app, seen = leaving(finish)
    with serve(app) as bench:
        leave(bench)
        bench.server.stop()
        bench.server.run()
        assert seen == ["finally", "end"]


def test_every_runs_from_the_beginning_and_does_not_drift():
    app = hello()
    runs = []

    @app.every(0.25)
    def tick():
        runs.append(bench.net.now)

    with serve(app) as bench:
        assert not runs
        bench.run(2100)
        assert len(runs) == 9
        for n in range(9):
            assert 0 <= runs[n] - runs[0] - 250 * n <= 1, runs
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_every_may_wait_and_what_was_due_meanwhile_is_left_out():
    app = App()
    runs = []

    @app.every(1)
    async def tick():
        runs.append(bench.net.now)
        await sleep_ms(2300)

    with serve(app) as bench:
        bench.run(9500)
        assert [now - runs[0] for now in runs] == [0, 3000, 6000, 9000]


def test_what_a_job_raises_is_logged_and_it_goes_on():
    app = hello()

    @app.every(1)
    def one():
        raise ValueError("see the log")

    @app.every(1)
    async def another():
        await sleep_ms(10)
        raise SystemExit

    with serve(app) as bench:
        bench.run(2500)
        assert sorted(bench.take_log()) == 3 * ["SystemExit"] + 3 * ["ValueError"]
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_spawned_by_a_handler_or_before_serving():
    app = hello()
    seen = []

    async def job(name):
        try:
            while True:
                seen.append(name)
                await sleep_ms(1000)
        finally:
            await sleep_ms(10)
            seen.append("end " + name)

    jobs = [app.spawn(job("early"))]

    @app.get("/spawn")
    def spawn(request):
        jobs.append(app.spawn(job("late")))
        return "spawned"

    with serve(app) as bench:
        bench.run(500)
        bench.ask(get("/spawn", CLOSE))
        bench.run(1400)
        assert seen == ["early", "late", "early", "late"]
        jobs[0].cancel()
        jobs[0].cancel()
        bench.run(1000)
        assert seen == ["early", "late", "early", "late", "end early", "late"]
        bench.server.stop()
        bench.server.run()
        assert seen[6:] == ["end late"]


def test_a_job_that_is_cancelled_before_it_ran_or_by_itself():
    app = hello()
    seen = []

    async def job():
        jobs[1].cancel()
        seen.append("cancelled")
        try:
            await sleep_ms(1)
        finally:
            await sleep_ms(1)
            seen.append("end")
        seen.append("never")

    @app.get("/spawn")
    def spawn(request):
        jobs[0] = app.spawn(job())
        jobs[1] = app.spawn(job())
        jobs[0].cancel()
        return ""

    jobs = [None, None]
    with serve(app) as bench:
        bench.ask(get("/spawn", CLOSE))
        bench.run(100)
        assert seen == ["cancelled", "end"] and not bench.server.jobs


def test_a_job_that_is_cancelled_before_the_server_never_runs():
    app = hello()
    seen = []

    async def work():
        seen.append("ran")

    job = app.spawn(work())
    job.cancel()
    job.cancel()
    with serve(app) as bench:
        bench.run(100)
        assert not seen and not bench.server.jobs


def test_what_is_spawned_between_two_servers_runs_in_the_next():
    app = hello()
    seen = []

    async def work():
        seen.append("ran")

    with serve(app):
        pass
    app.spawn(work())
    assert not seen
    with serve(app) as bench:
        bench.run(100)
        assert seen == ["ran"]


def test_a_job_is_told_that_it_cannot_wait():
    app = hello()
    seen = []

    async def second(ws):
        try:
            await ws.receive()
        except RuntimeError as error:
            seen.append(str(error))

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        app.spawn(second(ws))
        async for message in ws:
            seen.append(message)

    with serve(app) as bench:
        client = bench.connect(handshake("/ws"))
        bench.until(lambda: seen)
        assert seen[0].startswith("somebody waits") and len(bench.server.jobs) == 1
        client.send(frame(1, b"a"))
        bench.until(lambda: seen[-1] == "a")
        client.close()


def test_a_finally_that_has_no_time_to_sleep():
    app = hello()
    seen = []

    @app.get("/ws")
    @websocket(ping=1)
    async def talk(request, ws):
        try:
            await sleep_ms(1_000_000)
        finally:
            await sleep_ms(-5)
            seen.append("end")

    with serve(app) as bench:
        bench.connect(handshake("/ws"))
        bench.until(lambda: seen)
        assert not bench.server.slots and not bench.server.clock


def test_a_job_that_is_cancelled_when_it_was_woken_waits_anew():
    app = hello()
    seen = []

    async def job():
        try:
            await sleep_ms(50)
        finally:
            start = bench.net.now
            await sleep_ms(500)
            seen.append(bench.net.now - start)

    async def killer():
        await sleep_ms(50)
        victim.cancel()

    with serve(app) as bench:
        app.spawn(killer())
        victim = app.spawn(job())
        bench.run(1000)
        assert len(seen) == 1 and seen[0] >= 500


def test_a_job_waits_for_nothing_but_webhal_s():
    app = hello()

    def job():
        yield 1

    app.spawn(job())
    with serve(app) as bench:
        bench.run(10)
        assert bench.take_log() == ["TypeError"]
    for wrong in (None, job, 5):
        raises(TypeError, app.spawn, wrong)


def test_start_comes_before_the_first_request_and_stop_after_the_last():
    app = hello()
    inner = App()
    seen = []

    @app.on("start")
    def first():
        seen.append("first")

    @app.on("start")
    async def second():
        await sleep_ms(2000)
        seen.append("second")

    @inner.on("stop")
    async def end():
        await sleep_ms(1000)
        seen.append("end")

    @inner.every(3600)
    def job():
        seen.append("job")

    @app.on("listen")
    def listen(address, port):
        seen.append("listen")

    @app.get("/slow")
    async def slow(request):
        await sleep_ms(500)
        seen.append("answered")
        return "slow"

    app.mount("/inner", inner)
    with serve(app) as bench:
        client = bench.connect(get("/slow", CLOSE))
        bench.run(1900)
        assert seen == ["first"] and not client.received
        bench.until(lambda: bench.server.slots)
        bench.server.stop()
        bench.server.run()
        assert client.received.endswith(b"slow")
        assert seen == ["first", "second", "listen", "job", "answered", "end"]


def test_what_a_start_handler_raises_ends_the_server():
    for kind, raised in ((OSError, OSError), (MemoryError, RuntimeError), (SystemExit, SystemExit)):
        for wait in (False, True):
            app = hello()

            @app.on("start")
            async def start(wait=wait, kind=kind):
                if wait:
                    await sleep_ms(10)
                raise kind("no database")

            bench = serve(app)
            raises(raised, app.run, 80, "", bench.net)
            assert not bench.net.listeners


def test_a_server_that_is_closed_before_it_has_started():
    app = hello()

    @app.on("start")
    async def start():
        await sleep_ms(10_000)

    @app.on("stop")
    def stop():
        raise AssertionError("it never served")

    bench = serve(app)
    bench.server.open()
    bench.run(100)
    bench.server.stop()
    bench.server.run()
    assert not bench.net.listeners and not bench.server.jobs


def test_a_stop_handler_has_its_time_too():
    app = hello()

    @app.on("stop")
    async def stop():
        await sleep_ms(1_000_000)

    @app.on("stop")
    def never():
        raise AssertionError

    with serve(app) as bench:
        bench.server.stop()
        start = bench.net.now
        bench.server.run()
        assert 9000 <= bench.net.now - start <= ENDS_MS


def test_a_lost_link_ends_no_job():
    app = hello()
    runs = []
    app.every(1)(lambda: runs.append(bench.net.now))
    with serve(app) as bench:
        bench.run(100)
        bench.net.lose_link()
        bench.run(3000)
        assert not bench.net.listeners
        bench.net.restore_link()
        bench.until(lambda: bench.net.listeners)
        count = len(runs)
        assert count > 3
        bench.run(1100)
        assert len(runs) > count


def test_a_link_that_is_lost_meanwhile_is_not_listened_on_before_it_has_started():
    app = hello()

    @app.on("start")
    async def start():
        await sleep_ms(10_000)

    with serve(app) as bench:
        bench.net.lose_link()
        bench.run(2000)
        bench.net.restore_link()
        client = bench.connect(get("/", CLOSE))
        bench.run(5000)
        assert not bench.server.slots
        client.close()
        bench.run(6000)
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_an_application_is_served_again_with_its_jobs():
    app = hello()
    runs = []
    app.every(10)(lambda: runs.append(1))
    for count in (1, 2):
        with serve(app) as bench:
            bench.run(100)
            assert len(runs) == count


def test_what_every_refuses():
    app = App()
    for wrong in (0, -1, None, "5", 1 << 18, float("nan")):
        raises(ValueError, app.every, wrong)
    raises(TypeError, app.every, lambda: None)
    raises(TypeError, app.every(1), None)
    raises(TypeError, app.on("start"), None)
