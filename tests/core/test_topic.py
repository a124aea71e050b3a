"""Events and topics: who waits is woken, once, and nobody is left behind."""

from serving import CLOSE, get, serve

from webhal import App, Topic
from webhal.topic import Event


def test_an_event_wakes_all_who_wait():
    app = App()
    event = Event()

    @app.get("/wait")
    async def wait(request):
        assert await event.wait() is True
        return "woken"

    @app.get("/set")
    def set_it(request):
        event.set()
        event.clear()  # who was woken need not find it set still
        return "set"

    with serve(app, connections=8) as bench:
        clients = [bench.connect(get("/wait", CLOSE)) for _ in range(5)]
        bench.until(lambda: len(event.waiting) == 5)
        assert bench.ask(get("/set", CLOSE)).endswith(b"set")
        bench.until(lambda: all([client.received.endswith(b"woken") for client in clients]))
        assert not event.waiting and not event.is_set()
        event.set()
        assert bench.ask(get("/wait", CLOSE)).endswith(b"woken")  # at once


def test_who_leaves_waits_no_more():
    app = App()
    event = Event()

    @app.get("/wait")
    async def wait(request):
        await event.wait()

    with serve(app) as bench:
        client = bench.connect(get("/wait"))
        bench.until(lambda: event.waiting)
        client.close()
        bench.until(lambda: not event.waiting)
        event.set()


def reading(topic, count):
    app = App()

    @app.get("/read")
    async def read(request):
        values = []
        async for value in topic:
            values.append(value)
            if len(values) == count:
                break
        return values

    return app


def test_all_readers_have_what_is_published_after_they_came():
    topic = Topic()
    with serve(reading(topic, 3), connections=8) as bench:
        topic.publish("too early")
        clients = [bench.connect(get("/read", CLOSE)) for _ in range(3)]
        bench.until(lambda: len(topic.waiting) == 3)
        for value in (1, 2, 3):
            topic.publish(value)
        bench.until(lambda: all([client.received.endswith(b"[1, 2, 3]") for client in clients]))


def test_who_falls_behind_loses_the_oldest():
    topic = Topic(2)
    with serve(reading(topic, 2)) as bench:
        client = bench.connect(get("/read", CLOSE))
        bench.until(lambda: topic.waiting)
        for value in range(5):
            topic.publish(value)
        bench.until(lambda: client.received.endswith(b"[3, 4]"))
        assert topic.kept == [3, 4]


def test_or_its_iteration_ends():
    topic = Topic(2, drop=True)
    with serve(reading(topic, 9)) as bench:
        client = bench.connect(get("/read", CLOSE))
        bench.until(lambda: topic.waiting)
        for value in range(5):
            topic.publish(value)
        bench.until(lambda: client.received.endswith(b"[]"))


def test_one_value_at_least_is_kept():
    for keep in (0, -1, None, "2"):
        try:
            Topic(keep)
        except ValueError as error:
            assert "topic" in str(error)
        else:
            raise AssertionError(keep)


def test_a_topic_is_iterated_as_a_body():
    topic = Topic()
    app = App()
    app.get("/")(lambda request: topic.__aiter__())

    with serve(app) as bench:
        client = bench.connect(get())
        bench.until(lambda: topic.waiting)
        topic.publish("a")
        topic.publish(b"bc")
        bench.until(lambda: client.received.endswith(b"1\r\na\r\n2\r\nbc\r\n"))
        client.close()
        bench.until(lambda: not topic.waiting)
