"""Topics over Redis: Debian's redis-server, and several topics of one name as several processes have them."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time

import pytest
from hosted import run, serving
from programs import tool

from webhal import App, Topic
from webhal.sse import EventStream
from webhal.testing.boards.machine import reserve_port
from webhal_cpython import hosting, topics  # hosting: asyncio waits for readers

PATIENCE_S = 30
assert hosting


class Redis:
    """A redis-server that keeps nothing on disk."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "redis.sock"
        self.url = f"unix://{self.path}"
        self.start()

    def start(self, *options):
        self.process = subprocess.Popen(
            [tool("redis-server"), "--port", "0", "--unixsocket", self.path, "--save", "", *options],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.path))
                return
            time.sleep(0.01)
        pytest.fail("redis-server does not start")

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Try again, and look at the stream, soon."""
    monkeypatch.setattr(topics, "_RETRY_S", 0.01)
    monkeypatch.setattr(topics, "_BLOCK_MS", 50)


async def take(reader, count):
    return [await anext(reader) for _ in range(count)]


VALUES = ["text \xe4", {"n": [1, 2.5, None, True]}, b"\x00\xff", 21.5, ""]


def test_every_process_reads_what_one_publishes_in_one_order(redis):
    async def main():
        topics = [Topic("t", url=redis.url) for _ in range(3)]
        readers = [topic.__aiter__() for topic in topics]
        for topic in topics:
            await topic.connect()
        for value in VALUES:
            topics[0].publish(value)
        taken = await asyncio.gather(*[take(reader, len(VALUES)) for reader in readers])
        assert taken == 3 * [VALUES]
        for n in range(9):
            topics[n % 3].publish(n)
        taken = await asyncio.gather(*[take(reader, 9) for reader in readers])
        assert taken == 3 * [taken[0]] and sorted(taken[0]) == list(range(9))
        assert {topic.count for topic in topics} == {len(VALUES) + 9}

    run(main())


def test_topics_of_other_names_are_others(redis):
    async def main():
        one, other = Topic("one", url=redis.url, last=1), Topic("other", url=redis.url, last=1)
        one.publish(1)
        other.publish(2)
        assert await anext(one.__aiter__()) == 1
        assert await anext(other.__aiter__()) == 2

    run(main())


def test_a_new_process_begins_with_the_last_values(redis):
    async def main():
        first = Topic("t", url=redis.url, keep=4)
        reader = first.__aiter__()
        await first.connect()
        for n in range(10):
            first.publish(n)
            assert await anext(reader) == n
        second = Topic("t", url=redis.url, keep=4, last=2)
        early = second.__aiter__()  # before Redis has told anything
        waits = asyncio.ensure_future(take(early, 2))
        await second.connect()
        assert await waits == [8, 9]
        assert await take(second.__aiter__(), 2) == [8, 9]
        assert second.kept == [6, 7, 8, 9] and second.count == 10
        third = Topic("t", url=redis.url).__aiter__()
        waits = asyncio.ensure_future(anext(third))
        await third.source.connect()
        await asyncio.sleep(0)
        first.publish("new")
        assert await waits == "new"

    run(main())


def test_a_redis_that_restarts_has_lost_the_stream_and_readers_go_on(redis, caplog):
    async def main():
        one, other = Topic("t", url=redis.url, keep=3), Topic("t", url=redis.url, keep=3)
        reader = other.__aiter__()
        await asyncio.gather(one.connect(), other.connect())
        for n in range(5):
            one.publish(n)
            assert await anext(reader) == n
        redis.stop()
        for n in range(1000):
            one.publish(n)  # does not wait, and keeps the newest
        assert len(one.pending) == 3
        redis.start()
        assert await take(reader, 3) == [997, 998, 999]
        assert other.count == 8
        one.publish("and on")
        assert await anext(reader) == "and on"

    run(main())
    told = [record.getMessage() for record in caplog.records]
    assert len([line for line in told if line.startswith("topic t: Redis: ")]) == 2  # each topic's, once
    assert told.count("topic t: Redis is back") == 2


def test_a_redis_that_comes_later_and_one_that_hangs(redis):
    async def main():
        redis.stop()
        topic = Topic("t", url=redis.url, last=1)
        waits = asyncio.ensure_future(anext(topic.__aiter__()))
        topic.publish("early")
        redis.start()
        assert await waits == "early"
        redis.process.send_signal(signal.SIGSTOP)
        topic.publish("while it hangs")
        reader = topic.__aiter__()
        redis.process.send_signal(signal.SIGCONT)
        assert await take(reader, 2) == ["early", "while it hangs"]

    run(main())


def test_what_takes_one_cancellation_for_something_else_ends_all_the_same(redis, monkeypatch):
    async def read(topic, client):
        topic.loaded.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE_S)
        await asyncio.sleep(PATIENCE_S)

    monkeypatch.setattr(topics.RedisTopic, "_read", read)

    async def main():
        others = asyncio.all_tasks()
        topic = Topic("t", url=redis.url)
        await topic.connect()
        topic.task.cancel()
        await asyncio.wait([topic.task], timeout=PATIENCE_S / 2)
        assert topic.task.cancelled() and asyncio.all_tasks() == others

    run(main())


def test_a_value_that_takes_the_place_of_one_on_its_way_is_published(redis):
    async def main():
        topic = Topic("t", url=redis.url, keep=1)
        reader = topic.__aiter__()
        await topic.connect()
        redis.process.send_signal(signal.SIGSTOP)
        topic.publish("on its way")
        await asyncio.sleep(0.05)
        topic.publish("newer")
        redis.process.send_signal(signal.SIGCONT)
        while await anext(reader) != "newer":
            pass

    run(main())


def test_more_than_is_kept_at_once(redis):
    async def main():
        import redis as redis_py

        topic = Topic("t", url=redis.url, keep=3)
        reader = topic.__aiter__()
        await topic.connect()
        topic.publish("first")
        assert await anext(reader) == "first"
        with redis_py.Redis.from_url(redis.url) as other, other.pipeline() as many:
            for n in range(20):
                many.execute_command("XADD", "webhal:t", "MAXLEN", "2", "0-*", "json", n)
            many.execute()
        assert await take(reader, 2) == [18, 19]
        assert topic.kept == [18, 19] and topic.count == 21

    run(main())


def test_who_falls_behind_loses_the_oldest(redis):
    async def main():
        slow, quick = Topic("t", url=redis.url, keep=3), Topic("t", url=redis.url, keep=3)
        reader, other = slow.__aiter__(), quick.__aiter__()
        await asyncio.gather(slow.connect(), quick.connect())
        for n in range(20):
            quick.publish(n)
            await anext(other)
        while slow.count < 20:
            await asyncio.sleep(0.001)
        assert await take(reader, 3) == [17, 18, 19]

    run(main())


def test_pages_of_two_processes_and_what_they_have_missed(redis):
    """Served twice in one loop; a page that goes from one to the other misses nothing."""

    def make():
        app = App()
        topic = Topic("t", url=redis.url)
        app.on("start")(topic.connect)
        app.get("/events")(lambda request: EventStream(topic))

        @app.post("/publish")
        def publish(request):
            topic.publish(request.json)
            return ""

        @app.post("/thread", blocking=True)
        def thread(request):
            topic.publish("from a thread")
            return ""

        return app

    async def ask(port, head, until):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        try:
            received = b""
            while until not in received:
                piece = await reader.read(1000)
                assert piece, received
                received += piece
            return received
        finally:
            writer.close()

    def post(path, value):
        fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(value)}\r\n"
        return f"POST {path} HTTP/1.1\r\n{fields}\r\n{value}"

    async def main():
        events = "GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %d\r\n\r\n"
        async with serving(make()) as one, serving(make()) as other:
            await ask(one, post("/publish", '"one"'), b"200 OK")
            await ask(one, post("/publish", '{"n": 2}'), b"200 OK")
            await ask(one, post("/thread", ""), b"200 OK")
            received = await ask(other, events % 0, b"from a thread\n\n")
            assert b"id: 1\ndata: " in received and b"id: 3\ndata: from a thread" in received
            received = await ask(one, events % 2, b"from a thread\n\n")
            assert received.count(b"data: ") == 1

    run(main())


def test_what_another_program_adds_to_the_stream(redis):
    async def main():
        import redis as redis_py

        topic = Topic("t", url=redis.url)
        reader = topic.__aiter__()
        await topic.connect()
        with redis_py.Redis.from_url(redis.url) as other:
            other.execute_command("XADD", "webhal:t", "MAXLEN", "16", "0-*", "json", "no JSON")
            other.execute_command("XADD", "webhal:t", "MAXLEN", "16", "0-*", "json", "21.5")
        assert await anext(reader) == 21.5

    run(main())


def test_mistakes(redis):
    topic = Topic("t", url=redis.url)
    with pytest.raises(RuntimeError, match="while the application is served"):
        topic.publish(1)
    with pytest.raises(TypeError):
        topic.publish(object())
    with pytest.raises(ValueError):
        topic.publish(float("nan"))
    with pytest.raises(ValueError, match="scheme"):
        Topic("t", url="http://127.0.0.1")
    with pytest.raises(ValueError, match="at least one value"):
        Topic("t", url=redis.url, keep=0)


def test_over_tcp():
    with reserve_port() as reserved:
        port = reserved.getsockname()[1]
        command = [tool("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:

            async def main():
                topic = Topic("t", url=f"redis://127.0.0.1:{port}/0", last=1)
                topic.publish("here")
                assert await anext(topic.__aiter__()) == "here"

            run(main())
        finally:
            process.kill()
            process.wait()


def test_without_redis_py_it_says_what_to_do():
    code = "import sys; sys.modules['redis'] = None; import webhal; webhal.Topic('t', url='redis://')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.stderr.endswith("topics over Redis need redis-py: pip install 'webhal[redis]'\n")
