"""Requests that come before the answer to the last: all answered, in order, one a step, whoever is slow."""

from serving import get, serve

from webhal import App, sleep_ms


def hello():
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/<int:n>")(lambda request, n: "<%d>" % n)
    return app


def follow(client):
    """A function that tells what the handler of /<int:n> answered so far, and holds none of the rest."""
    found = []
    rest = [b""]

    def numbers():
        parts = (rest[0] + client.read()).split(b">")
        rest[0] = parts.pop()
        found.extend([int(part.split(b"<")[1]) for part in parts])
        return found

    return numbers


def numbered(count):
    return b"".join([get("/%d" % n) for n in range(count)])


def test_fifty_requests_in_one_segment_are_answered_in_order():
    for seed in range(20):
        with serve(hello(), seed) as bench:
            numbers = follow(bench.connect(numbered(50)))
            bench.until(lambda numbers=numbers: len(numbers()) >= 50)
            assert numbers() == list(range(50))


def test_requests_that_arrive_in_parts():
    data = numbered(30)
    for seed in range(20):
        with serve(hello(), seed) as bench:
            client = bench.connect()
            for i in range(0, len(data), 37):
                client.send_later(i // 30, data[i : i + 37])
            numbers = follow(client)
            bench.until(lambda numbers=numbers: len(numbers()) >= 30)
            assert numbers() == list(range(30))


def test_one_who_ends_its_side_is_answered_too():
    for seed in range(20):
        with serve(hello(), seed) as bench:
            client = bench.connect(numbered(20))
            client.shutdown()
            bench.until(lambda client=client: client.state == "ended")
            assert follow(client)() == list(range(20))


def test_different_answers_to_a_slow_reader():
    app = hello()

    @app.get("/sleep/<int:n>")
    async def slow(request, n):
        await sleep_ms(n)
        return "<%d>" % n

    app.get("/pieces/<int:n>")(lambda request, n: iter(["<%d" % n, ">"]))
    app.get("/big")(lambda request: "~" * 900)
    app.post("/body")(lambda request: b"<" + request.body + b">")
    requests = (
        get("/1") + get("/sleep/2") + get("/pieces/3") + get("/big") + get("/body", method="POST", body=b"4"),
        get("/pieces/5") + get("/sleep/6") + get("/none") + get("/7"),
    )
    for seed in range(20):
        with serve(app, seed, buffer=256) as bench:
            client = bench.connect(requests[0] + requests[1])
            client.window = 0

            def widen(client=client, bench=bench):
                client.window += 200
                bench.net.at(50, widen)

            widen()
            bench.until(lambda client=client: client.received.endswith(b"<7>"))
            answer = client.read()
            assert answer.count(b"~") == 900 and answer.count(b"200 OK") == 8 and answer.count(b"404 Not Found") == 1
            answer = answer.replace(b"\r\n1\r\n>", b">").replace(b"Found", b"")
            assert [int(part[-1:]) for part in answer.split(b">")[:-1]] == [1, 2, 3, 4, 5, 6, 7], answer
            client.close()


def test_input_waits_outside_while_requests_are_served():
    with serve(hello(), harsh=False, buffer=256) as bench:
        client = bench.connect(numbered(50))
        most = 0
        while not client.read().endswith(b"<49>"):
            bench.server.step(100)
            for connection in bench.server.slots.values():
                most = max(most, len(connection.input))
        assert most <= 2 * 256, most


def test_one_who_pipelines_does_not_starve_others():
    for seed in range(5):
        with serve(hello(), seed) as bench:
            fast = follow(bench.connect(numbered(60)))
            bench.until(lambda fast=fast: len(fast()) >= 10)
            before = len(fast())
            other = bench.connect(get())
            bench.until(lambda other=other: other.received.endswith(b"hello"))
            assert len(fast()) - before < 40
            bench.until(lambda fast=fast: len(fast()) == 60)


def test_each_connection_gets_one_turn_a_step():
    with serve(hello(), harsh=False) as bench:
        numbers = [follow(bench.connect(numbered(9))) for _ in range(3)]
        counts = [[0, 0, 0]]
        while counts[-1] != [9, 9, 9]:
            bench.server.step(100)
            counts.append([len(follower()) for follower in numbers])
            assert all([counts[-1][i] - counts[-2][i] <= 1 for i in range(3)]), counts
        assert len(counts) == 10


def test_an_empty_line_after_a_request_leaves_the_connection_idle():
    for harsh in (False, True):
        with serve(hello(), harsh=harsh, deadlines=(9, 9, 2, 9)) as bench:
            client = bench.connect(get() + b"\r\n")
            bench.run(1500)
            assert client.state == "open" and client.received.endswith(b"hello")
            client.send(get())
            bench.run(100)
            assert client.received.count(b"hello") == 2
            bench.run(2600)
            assert client.state == "ended"
