"""Serving in asyncio, over real sockets: coroutines are tasks, in which its libraries and webhal's awaitables work."""

import asyncio
import contextlib
import socket
import sys
import threading

import hosted
import pytest
from hosted import PATIENCE_S, run, serving

import webhal_cpython.hosting  # noqa: F401  asyncio can wait for what is webhal's
from webhal import App, HTTPError, Topic, serve, sleep_ms
from webhal.sse import EventStream
from webhal.testing import TestClient
from webhal.topic import Event
from webhal.websocket import websocket
from webhal_cpython.network import Network, SelectNetwork

pytestmark = pytest.mark.usefixtures("logged")


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def loop(request, monkeypatch):
    """Each test in a loop of each."""
    runner = pytest.importorskip(request.param).run
    monkeypatch.setitem(globals(), "run", lambda main: hosted.run(main, runner))


async def ask(port, path, method="GET", body=b"", fields=""):
    """The answer: (status, body), whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if body:
        fields += f"Content-Length: {len(body)}\r\n"
    writer.write(f"{method} {path} HTTP/1.0\r\nHost: x\r\n{fields}\r\n".encode() + body)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_handler_is_a_task_and_asyncio_works_in_it():
    app = App()

    @app.get("/")
    async def handler(request):
        assert asyncio.current_task() is not None
        queue = asyncio.Queue()
        queue.put_nowait("queued")
        await asyncio.sleep(0.001)
        await sleep_ms(1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), 0.001)
        numbers = await asyncio.gather(asyncio.sleep(0.001, 1), asyncio.sleep(0, 2))
        return {"numbers": numbers, "queue": await queue.get()}

    @app.get("/plain")
    def plain(request):
        yield "plain "
        yield from sleep_ms(1)
        yield "generator"

    async def main():
        async with serving(app) as port:
            assert await ask(port, "/") == (200, b'{"numbers": [1, 2], "queue": "queued"}')
            assert await ask(port, "/plain") == (200, b"plain generator")

    run(main())


def test_pieces_of_an_asynchronous_generator():
    app = App()
    ended = []

    @app.get("/")
    async def pieces(request):
        try:
            for n in range(3):
                yield "piece %d " % n
                await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0.001)
            ended.append("end")

    async def main():
        async with serving(app) as port:
            assert await ask(port, "/") == (200, b"piece 0 piece 1 piece 2 ")
            assert ended == ["end"]

    run(main())


def test_a_body_is_read_as_it_comes():
    app = App()

    @app.post("/", stream=True)
    async def upload(request):
        size = 0
        while True:
            piece = await (asyncio.wait_for(request.read(1000), PATIENCE_S) if request.args else request.read(1000))
            if not piece:
                return {"size": size}
            size += len(piece)

    @app.post("/whole")
    async def whole(request):
        return await request.read(5)

    async def main():
        async with serving(app) as port:
            for path in ("/", "/?in=time"):
                assert await ask(port, path, "POST", 3_000_000 * b"x") == (200, b'{"size": 3000000}')
            assert await ask(port, "/whole", "POST", b"whole body") == (200, b"whole")

    run(main())


def test_what_a_handler_raises_costs_its_request_alone(logged):
    app = App()
    kinds = [ValueError, SystemExit, asyncio.CancelledError, asyncio.TimeoutError]

    @app.get("/<int:n>")
    async def fails(request, n):
        await asyncio.sleep(0)
        raise kinds[n]

    async def main():
        async with serving(app) as port:
            for n in range(len(kinds)):
                assert (await ask(port, f"/{n}"))[0] == 500

    run(main())
    assert [type(error) for error in logged] == kinds
    logged.clear()


def test_a_client_that_leaves_cancels_its_handler_whose_finally_runs_to_its_end():
    app = App()
    ended = Event()
    began = Event()

    @app.get("/")
    async def handler(request):
        began.set()
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.01)
            await sleep_ms(10)
            ended.set()

    async def main():
        async with serving(app) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await began.wait()
            writer.close()
            await ended.wait()

    run(main())


def test_a_task_that_reads_the_body_ends_with_the_client():
    app = App()
    tasks = []

    @app.post("/", stream=True)
    async def handler(request):
        tasks.append(asyncio.ensure_future(request.read(1000)))
        await asyncio.sleep(1000)

    async def main():
        async with serving(app) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            while not tasks:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)
            writer.close()
            with pytest.raises(OSError, match="left"):
                await tasks[0]

    run(main())


def test_a_server_that_a_task_steps_runs_its_handlers_itself():
    """As TestClient does, also where another server is hosted."""
    app = App()
    topic = Topic()
    seen = []
    app.get("/events")(lambda request: EventStream(topic))

    @app.every(10)
    async def tick():
        await sleep_ms(1)
        topic.publish("tick")

    @app.get("/plain")
    def plain(request):
        yield from sleep_ms(90_000)
        yield "piece"

    @app.post("/", stream=True)
    async def handler(request):
        await sleep_ms(90_000)
        async for value in topic:
            return value + (await request.read(100)).decode() + (await request.read(100)).decode()

    @app.get("/long")
    async def long(request):
        try:
            await sleep_ms(1_000_000)
        finally:
            await sleep_ms(100)
            seen.append("end")

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        async for message in ws:
            await ws.send(message)

    @app.get("/asyncio/<int:ms>")
    async def asynchronous(request, ms):
        await asyncio.sleep(ms / 1000)

    @app.get("/spawned")
    async def spawned(request):
        app.spawn(asyncio.sleep(1))
        return ""

    async def main():
        await sleep_ms(1)
        client = TestClient(app, buffer=64)
        assert client.get("/plain").text == "piece"
        assert client.post("/", body="body" + 100 * " ").text.strip() == "tickbody"
        with pytest.raises(OSError, match="no answer"):
            client.get("/long", ms=10)
        client.run(200)
        assert seen.pop() == "end" and not seen
        ws = client.websocket("/ws")
        for message in ("a", b"b"):
            ws.send(message)
            assert ws.receive() == message
        ws.close()
        assert next(client.events("/events")).data == "tick"
        await sleep_ms(1)
        for ms in (0, 1):
            with pytest.raises(TypeError, match="asynchronous .*serve"):
                client.get(f"/asyncio/{ms}")
        with pytest.raises(TypeError, match="job"):
            client.get("/spawned")
        async with serving(App()):  # which lets asyncio wait for what is webhal's
            assert client.get("/plain").text == "piece"
        client.server.close()

    async def hosted():
        async with serving(app):
            await main()

    run(main())
    run(hosted())
    with pytest.raises(RuntimeError, match="webhal.serve"):
        TestClient(app).get("/asyncio/1")


def test_topics_and_events_between_handlers_and_the_program():
    app = App()
    topic = Topic()

    @app.get("/read")
    async def read(request):
        async for value in topic:
            return value

    @app.get("/publish")
    def publish(request):
        topic.publish("published")
        return "done"

    async def main():
        async with serving(app) as port:
            readers = [asyncio.create_task(ask(port, "/read")) for _ in range(3)]
            while len(topic.waiting) < 3:
                await asyncio.sleep(0.001)
            await ask(port, "/publish")
            assert await asyncio.gather(*readers) == 3 * [(200, b"published")]

    run(main())


def test_server_sent_events():
    app = App()
    topic = Topic()
    app.get("/topic")(lambda request: EventStream(topic))

    @app.get("/ticks")
    def ticks(request):
        async def source():
            for n in range(3):
                yield {"n": n}
                await asyncio.sleep(0.001)

        return EventStream(source())

    async def main():
        async with serving(app) as port:
            status, body = await ask(port, "/ticks")
            assert body == b':\n\ndata: {"n": 0}\n\ndata: {"n": 1}\n\ndata: {"n": 2}\n\n'
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /topic HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b":\n\n\r\n")
            topic.publish("live")
            assert (await reader.readuntil(b"\n\n")).endswith(b"data: live\n\n")
            writer.close()

    run(main())


def test_what_blocks_runs_in_a_thread():
    app = App()
    both = threading.Barrier(2, timeout=PATIENCE_S)

    @app.get("/<name>", blocking=True)
    def wait(request, name):
        both.wait()  # until another request is here
        return "%s %s" % (name, threading.current_thread() is not threading.main_thread())

    @app.post("/", blocking=True)
    def fails(request):
        raise HTTPError(418, request.form["x"])

    with pytest.raises(TypeError, match="async"):

        @app.put("/", blocking=True)
        async def wrong(request):
            pass

    async def main():
        async with serving(app) as port:
            answers = await asyncio.gather(ask(port, "/a"), ask(port, "/b"))
            assert answers == [(200, b"a True"), (200, b"b True")]
            fields = "Content-Type: application/x-www-form-urlencoded\r\n"
            assert (await ask(port, "/", "POST", b"x=tea", fields))[0] == 418

    run(main())
    both = threading.Barrier(1)
    assert TestClient(app).get("/c").text == "c False"


def test_jobs_are_tasks_too():
    app = App()
    seen = []
    enough = Event()

    @app.on("start")
    async def start():
        await asyncio.sleep(0.001)
        seen.append("start")

    @app.every(0.001)
    async def tick():
        assert asyncio.current_task() is not None
        await asyncio.sleep(0)
        seen.append("tick")
        if seen.count("tick") == 3:
            app.spawn(job())

    async def job():
        enough.set()
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("job")

    @app.on("stop")
    async def stop():
        await asyncio.sleep(0.001)
        seen.append("stop")

    async def main():
        async with serving(app):
            assert seen == ["start"]
            await enough.wait()

    run(main())
    assert seen[:4] == ["start", "tick", "tick", "tick"] and seen[-2:] == ["job", "stop"]


def test_a_server_is_stepped_in_time_though_nobody_connects():
    app = App()
    runs = []

    @app.every(0.007)
    def count():
        runs.append(1)

    async def main():
        async with serving(app):
            while len(runs) < 30:
                await asyncio.sleep(0.05)

    run(main())


def test_what_a_start_handler_raises_is_raised_by_serve():
    app = App()

    @app.on("start")
    async def start():
        await asyncio.sleep(0)
        raise OSError("no database")

    async def main():
        with pytest.raises(OSError, match="no database"):
            await serve(app, port=0, host="127.0.0.1")

    run(main())


def test_serve_that_is_cancelled_lets_handlers_finish():
    app = App()
    began = Event()

    @app.get("/")
    async def handler(request):
        began.set()
        await asyncio.sleep(0.05)
        return "finished"

    async def main():
        async with serving(app) as port:
            answer = asyncio.create_task(ask(port, "/"))
            await began.wait()
        assert await answer == (200, b"finished")

    run(main())


def test_serve_that_is_cancelled_twice_cancels_jobs_as_asyncio_does():
    app = App()
    seen = []

    async def work():
        try:
            await asyncio.sleep(100)
        finally:
            seen.append("finally")
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0)
                seen.append("end")

    app.spawn(work())

    async def main():
        listening = asyncio.Event()
        app.on("listen")(lambda address, port: listening.set())
        task = asyncio.create_task(serve(app, port=0, host="127.0.0.1"))
        await listening.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        while not seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        assert seen == ["finally", "end"]

    run(main())


def test_several_servers_in_one_loop_and_loops_in_threads():
    def hello(name):
        app = App()

        @app.get("/")
        async def home(request):
            await sleep_ms(1)
            return name

        return app

    async def main(names):
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(serving(hello(name))) for name in names]
            for _ in range(3):
                for name, port in zip(names, ports, strict=True):
                    assert await ask(port, "/") == (200, name.encode())

    done = []
    threads = [threading.Thread(target=lambda n=n: (run(main([f"a{n}", f"b{n}"])), done.append(n))) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2]


def test_a_network_that_asyncio_cannot_wait_for():
    async def main():
        with pytest.raises(RuntimeError, match="asyncio"):
            await serve(App(), port=0, network=SelectNetwork())

    run(main())


@pytest.mark.skipif(not hasattr(Network, "hosting"), reason="asyncio cannot wait for this system's poller")
def test_run_is_hosted_where_asyncio_was_imported(start, tmp_path):
    text = """
import asyncio
from webhal import App
app = App()
@app.get("/")
async def home(request):
    await asyncio.sleep(0.001)
    return "hosted by " + type(asyncio.get_running_loop()).__module__.split(".")[0]
@app.on("stop")
async def stop():
    await asyncio.sleep(0.001)
    print("stopped", flush=True)
app.on("listen")(lambda address, port: print("port", port, flush=True))
app.run(port=0, host="127.0.0.1")
"""
    (tmp_path / "app.py").write_text(text)
    for command in (("webhal", "run", "app.py"), ("app.py",)):
        process = start.webhal(*command[1:], cwd=tmp_path) if command[0] == "webhal" else start("app.py", cwd=tmp_path)
        port = int(process.line(r"^port (\d+)")[1])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.endswith((b"hosted by asyncio", b"hosted by uvloop"))
        process.popen.terminate()
        process.line(r"^stopped$")
        assert process.popen.wait(PATIENCE_S) == 0


if sys.version_info >= (3, 11):

    def test_groups_and_timeouts():
        app = App()

        @app.get("/")
        async def handler(request):
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0.001, "grouped"))
            return await task

        async def main():
            async with serving(app) as port:
                assert await ask(port, "/") == (200, b"grouped")

        run(main())
