"""Jobs: what is left of a handler whose client has left runs to its end, within a bounded time."""

from serving import get, serve

from webhal import App, sleep_ms

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
