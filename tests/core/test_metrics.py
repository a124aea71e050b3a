"""What Metrics counts, and under which route; what Health says."""

import sys

from serving import CLOSE, get, serve

from webhal import App, Response, sleep_ms
from webhal.metrics import Health, Metrics
from webhal.testing import TestClient

CPYTHON = sys.implementation.name == "cpython"
# A board does not know what parameters are called.
LED = "/led/<int:pin>" if CPYTHON else "/led/<int>"
FILE = "/inner/deep/<path:name>" if CPYTHON else "/inner/deep/<path>"


def measured():
    app = App()
    inner = App()
    deep = App()
    app.get("/")(lambda request: "hello")
    app.post("/")(lambda request: ("made", 201))
    app.get('/a"b\\c')(lambda request: "x")

    @app.get("/led/<int:pin>")
    def led(request, pin):
        return {"pin": pin}

    @app.get("/slow")
    async def slow(request):
        await sleep_ms(30)
        return "slow"

    @app.get("/fails")
    def fails(request):
        raise RuntimeError("on purpose")

    @inner.get("/")
    def index(request):
        return "index"

    @deep.get("/<path:name>")
    def file(request, name):
        if name == "none":
            return "none", 404
        return Response(iter(["12345", "678"]), headers={"Content-Length": "8"} if name == "known" else {})

    inner.mount("/deep", deep)
    app.mount("/inner", inner)
    app.mount("/metrics", Metrics())
    return app


def read(client):
    """The numbers by the names of their lines."""
    answer = client.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for line in answer.text.split("\n"):
        if line and line[:1] != "#":
            name, value = line.rsplit(" ", 1)
            assert name not in found, name
            found[name] = float(value)
    return found


def requests(found):
    start = "webhal_requests_total{"
    return {name[len(start) : -1]: value for name, value in found.items() if name[: len(start)] == start}


def labels(method, route, status):
    return 'method="%s",route="%s",status="%d"' % (method, route, status)


def test_answers_by_route_and_status():
    client = TestClient(measured(), raise_errors=False)
    for path in (
        "/",
        "/",
        "/led/1",
        "/led/2",
        "/led/x",
        "/inner",
        "/inner/",
        "/inner/deep/a",
        "/inner/deep/none",
        "/fails",
    ):
        client.get(path)
    client.post("/")
    client.head("/")
    client.head("/led/3")
    client.get('/a"b\\c')
    assert requests(read(client)) == {
        labels("GET", "/", 200): 3,
        labels("POST", "/", 201): 1,
        labels("GET", LED, 200): 3,
        labels("GET", "/inner/", 200): 2,
        labels("GET", FILE, 200): 1,
        labels("GET", FILE, 404): 1,
        labels("GET", "/fails", 500): 1,
        labels("GET", '/a\\"b\\\\c', 200): 1,
        labels("", "unmatched", 404): 1,
    }
    assert labels("GET", "/metrics/", 200) in requests(read(client))


def test_a_route_with_a_space():
    app = App()
    app.get("/a 200")(lambda request: "x")
    app.get("/a")(lambda request: "x")
    app.mount("/metrics", Metrics())
    client = TestClient(app)
    client.get("/a%20200")
    client.get("/a")
    assert requests(read(client)) == {labels("GET", "/a", 200): 1, labels("GET", "/a 200", 200): 1}


def test_what_clients_make_up_is_one_label():
    client = TestClient(measured())
    for n in range(20):
        client.get("/made/up/%d" % n)
        client.request("MADE%s" % chr(65 + n), "/%d" % n)
        client.put("/led/%d" % n)
        client.request("OPTIONS", "/led/%d" % n)
    assert requests(read(client)) == {
        labels("", "unmatched", 404): 20,
        labels("", "unmatched", 501): 20,
        labels("", "unmatched", 405): 20,
        labels("", "unmatched", 204): 20,
    }


def test_refused_requests_are_counted_and_took_no_time():
    with serve(measured()) as bench:
        bench.ask(b"nonsense\r\n\r\n")
        bench.ask(get("/", CLOSE + "Content-Length: 99999999\r\n"))
        answer = bench.ask(get("/metrics", CLOSE)).decode()
        assert 'webhal_requests_total{method="",route="unmatched",status="400"} 1\n' in answer
        assert 'webhal_requests_total{method="GET",route="/",status="413"} 1\n' in answer
        assert "_count{" not in answer


def test_durations():
    client = TestClient(measured())
    client.get("/slow")
    client.get("/slow")
    client.get("/")
    found = read(client)
    start = 'webhal_request_duration_seconds_bucket{method="GET",route="%s",le="%s"}'
    for bound, slow in (("0.005", 0), ("0.025", 0), ("0.05", 2), ("0.1", 2), ("10", 2), ("+Inf", 2)):
        assert found[start % ("/slow", bound)] == slow, bound
        assert found[start % ("/", bound)] == 1
    assert found['webhal_request_duration_seconds_count{method="GET",route="/slow"}'] == 2
    assert 0.06 <= found['webhal_request_duration_seconds_sum{method="GET",route="/slow"}'] < 0.08


def test_a_bucket_has_what_took_no_longer_than_its_bound():
    app = App()
    app.get("/<int:ms>")(lambda request, ms: app.server.network.advance(ms) or "done")
    app.mount("/metrics", Metrics())
    client = TestClient(app)
    for ms in (5, 6, 10_000, 10_001):
        client.get("/%d" % ms)
    found = read(client)
    route = "/<int:ms>" if CPYTHON else "/<int>"
    start = 'webhal_request_duration_seconds_bucket{method="GET",route="%s",le="%s"}'
    assert [found[start % (route, bound)] for bound in ("0.005", "0.01", "5", "10", "+Inf")] == [1, 2, 2, 3, 4]


def test_bytes_of_bodies():
    client = TestClient(measured())
    client.get("/")
    client.get("/inner/deep/known")
    client.get("/inner/deep/unknown")  # in chunks: nothing tells how long it will be
    client.head("/")
    assert read(client)["webhal_response_body_bytes_total"] == len("hello") + 8


def test_connections_and_memory():
    client = TestClient(measured())
    assert read(client)["webhal_connections"] == 1
    client.network.connect()
    found = read(client)
    assert found["webhal_connections"] == 2
    if sys.platform == "linux" and CPYTHON:
        assert found["process_resident_memory_bytes"] > 1_000_000
    if not CPYTHON:
        assert found["webhal_heap_free_bytes"] > 0 and found["webhal_heap_used_bytes"] > 0


def test_an_application_that_is_not_served_yet_is_as_it_was():
    app = measured()
    assert not app.before and not app.events


def test_numbers_stay_when_the_application_is_served_again():
    app = measured()
    TestClient(app).get("/")
    client = TestClient(app)
    client.get("/")
    assert requests(read(client))[labels("GET", "/", 200)] == 2


def test_an_application_that_finds_its_handlers_itself_is_one_route():
    class Everything(dict):
        def __contains__(self, route):
            return True

        def get(self, route, default=None):
            return lambda request: request.path

    app = measured()
    other = App()
    other.routes = Everything()
    app.mount("/other", other)
    client = TestClient(app)
    for n in range(5):
        assert client.get("/other/%d" % n).text == "/other/%d" % n
        client.request("MADE%s" % chr(65 + n), "/other/%d" % n)
    assert requests(read(client)) == {
        labels("GET", "/other/<path>", 200): 5,
        labels("", "unmatched", 200): 5,
    }


def test_health():
    app = App()
    health = Health()
    app.mount("/health", health)
    client = TestClient(app, raise_errors=False)
    answer = client.get("/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"
    results = [True, True]

    @health.check
    def pump():
        return results[0]

    @health.check
    async def database():
        await sleep_ms(10)
        if results[1] is None:
            raise OSError("on purpose")
        return results[1]

    for given, status, failing in (
        ((True, True), 200, 0),
        ((0, ""), 200, 0),  # only False says no
        ((False, True), 503, 1),
        ((True, False), 503, 1),
        ((False, None), 503, 2),
    ):
        results[:] = given
        answer = client.get("/health")
        assert answer.status == status, given
        assert len(answer.json().get("failing", [])) == failing
        assert answer.json()["status"] == ("failing" if failing else "ok")
        assert client.head("/health").status == status
    if CPYTHON:
        assert answer.json()["failing"] == ["pump", "database"]


def test_health_while_the_server_stops():
    app = App()
    app.mount("/health", Health())
    app.get("/stop")(lambda request: app.server.stop() or "stopping")
    client = TestClient(app)
    client.network.connect().send(get("/stop"))
    peer = client.network.connect()
    peer.send(get("/health"))
    client.step_while(lambda: peer.state in ("connecting", "open"), 20_000)
    assert b'{"status": "stopping"}' in peer.received and b" 503 " in peer.received
