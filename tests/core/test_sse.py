"""Server-sent events: what is sent, when, and what becomes of clients that read slowly, leave or come back."""

from serving import CLOSE, body_of, get, hello, raises, serve

from webhal import App, Topic, sleep_ms
from webhal.sse import EventStream
from webhal.testing import TestClient


def streaming(*values, **options):
    app = App()
    app.get("/")(lambda request: EventStream(list(values), **options))
    return app


def joined(answer):
    """The body that came in chunks."""
    data = body_of(answer)
    pieces = []
    while data:
        end = data.find(b"\r\n")
        size = int(data[:end], 16)
        pieces.append(data[end + 2 : end + 2 + size])
        data = data[end + size + 4 :]
    return b"".join(pieces)


def test_what_an_event_is():
    for value, sent in (
        ("a", "data: a\n\n"),
        ("", "data: \n\n"),
        ("a\nb\r\nc\rd\n", "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        ({"t": 21.5}, 'data: {"t": 21.5}\n\n'),
        ([1, "\n"], 'data: [1, "\\n"]\n\n'),
        (("name", "a"), "event: name\ndata: a\n\n"),
        ((None, {"a": 1}), 'data: {"a": 1}\n\n'),
        (("name", "a", "7"), "event: name\nid: 7\ndata: a\n\n"),
        ((None, "a", ""), "id: \ndata: a\n\n"),
        ("gr\xf6\xdfe", "data: gr\xf6\xdfe\n\n"),
    ):
        with serve(streaming(value)) as bench:
            answer = bench.ask(get("/", CLOSE))
            assert joined(answer) == b":\n\n" + sent.encode(), answer


def test_fields_and_retry():
    client = TestClient(streaming("a", retry=100))
    response = client.get("/")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-store" and response.headers["x-accel-buffering"] == "no"
    assert response.body == b"retry: 100\n\ndata: a\n\n"
    assert client.head("/").body == b""


def test_what_cannot_be_sent():
    for value, kind in (
        (("a\nb", "c"), "ValueError"),
        ((None, "c", "\0"), "ValueError"),
        ((None, "c", 7), "ValueError"),
        (5, "TypeError"),
    ):
        with serve(streaming(value)) as bench:
            assert joined(bench.ask(get("/", CLOSE))) == b":\n\n"
            assert bench.take_log() == [kind]


def test_a_stream_that_cannot_begin_costs_its_request_alone():
    app = App()
    app.get("/")(lambda request: EventStream(Topic(), heartbeat=1 << 20))  # longer than can be slept
    with serve(app) as bench:
        assert bench.ask(get("/", CLOSE)).startswith(b"HTTP/1.1 500 ")
        assert bench.take_log() == ["TypeError"]


def test_the_head_leaves_at_once_and_comments_tell_that_the_stream_lives():
    topic = Topic()
    app = App()
    app.get("/")(lambda request: EventStream(topic, heartbeat=2))
    with serve(app) as bench:
        client = bench.connect(get())
        bench.until(lambda: client.received.endswith(b"3\r\n:\n\n\r\n"))
        bench.run(1900)
        assert client.received.count(b":\n\n") == 1
        bench.run(200)
        assert client.received.count(b":\n\n") == 2
        bench.run(1000)
        topic.publish("a")
        bench.run(1900)
        assert client.received.count(b":\n\n") == 2 and client.received.count(b"data: a\n\n") == 1
        bench.run(300)
        assert client.received.count(b":\n\n") == 3
        topic.publish("b")
        bench.until(lambda: client.received.count(b"data: b\n\n") == 1)
        client.close()
        bench.until(lambda: not bench.server.slots)
        assert not bench.server.clock and not topic.waiting


def test_a_source_is_any_iterator():
    app = App()
    ended = []

    async def ticks():
        try:
            for n in range(3):
                yield "tick %d" % n
                await sleep_ms(5000)
        finally:
            ended.append("end")

    app.get("/")(lambda request: EventStream(ticks()))

    @app.get("/later")
    async def later(request):
        await sleep_ms(100)
        return EventStream(ticks())

    client = TestClient(app)
    for path in ("/", "/later"):
        events = client.events(path)
        assert [event.data for event in events] == ["tick 0", "tick 1", "tick 2"]
        assert ended == ["end"]
        ended.clear()
    events = client.events("/")
    next(events)
    events.close()
    assert ended == ["end"]


def test_a_client_that_comes_back_gets_what_it_has_missed():
    topic = Topic(keep=4)
    app = App()
    app.get("/")(lambda request: EventStream(topic))
    client = TestClient(app)
    events = client.events("/")
    topic.publish("one")
    event = next(events)
    assert (event.event, event.data, event.id) == ("message", "one", "1")
    events.close()
    for value in ("two", "three"):
        topic.publish(value)
    events = client.events("/", {"Last-Event-ID": event.id})
    assert [next(events).data, next(events).data] == ["two", "three"] and events.id == "3"
    for value in "456789":
        topic.publish(value)
    assert next(client.events("/", {"Last-Event-ID": "1"})).data == "6"  # what is kept
    for known in ("100", "x", "-1", "9" * 5000, "\xb2"):
        events = client.events("/", {"Last-Event-ID": known}) if len(known) < 1000 else client.events("/")
        topic.publish("new")
        assert next(events).data == "new", known


def test_who_comes_gets_the_last_values():
    topic = Topic(last=2)
    app = App()
    app.get("/")(lambda request: EventStream(topic))
    app.get("/id")(lambda request: request.last_event_id)
    client = TestClient(app)
    for value in "abc":
        topic.publish(value)
    events = client.events("/")
    assert [next(events).data, next(events).data] == ["b", "c"]
    assert client.get("/id", headers={"Last-Event-ID": "5"}).text == "5" and client.get("/id").text == ""


def test_a_topic_keeps_so_many_bytes():
    topic = Topic(keep=10, size=10)
    for value in ("1234", b"5678", {"a": 1}, "12"):
        topic.publish(value)
    assert topic.kept == ["1234", b"5678", {"a": 1}, "12"]
    topic.publish("345")
    assert topic.kept == [b"5678", {"a": 1}, "12", "345"]
    topic.publish(100 * "x")
    assert topic.kept == [100 * "x"]
    for wrong in (-1, 11, None):
        raises(ValueError, Topic, 10, False, wrong)


def test_who_does_not_read_delays_nobody_and_is_closed():
    topic = Topic()
    app = hello()
    app.get("/events")(lambda request: EventStream(topic))
    with serve(app, connections=8) as bench:
        stuck = bench.connect(get("/events"))
        reader = bench.connect(get("/events"))
        bench.until(lambda: len(topic.waiting) == 2)
        stuck.window = 100
        came = [b"", 0]  # the rest, and events so far

        def count():
            parts = (came[0] + reader.read()).split(b"x\n\n\r\n")
            came[0] = parts.pop()
            came[1] += len(parts)
            return came[1]

        for n in range(50):
            topic.publish(50 * "x")
            bench.until(lambda n=n: count() > n)
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")
        bench.run(11000)
        assert len(bench.server.slots) == 1 and len(topic.kept) == 16
        reader.close()


def test_hooks_see_it():
    app = streaming("a")

    @app.after_request
    def hook(request, response):
        response.headers["X-Hook"] = "seen"

    assert TestClient(app).get("/").headers["x-hook"] == "seen"
