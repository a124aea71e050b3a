"""Storms from a seed: clients that do anything, operations that fail anywhere; afterwards all is as it was."""

from serving import CLOSE, get, serve

from webhal import App, Response, sleep_ms

SEEDS = 30
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
REQUESTS = (
    get("/"),
    get("/", CLOSE),
    get("/", method="HEAD"),
    get("/", version="1.0"),
    get("/big"),
    get("/sleep"),
    get("/pieces"),
    get("/pieces", method="HEAD"),
    get("/ticks"),
    get("/short"),
    get("/boom"),
    get("/greedy"),
    get("/none"),
    get("/echo", method="POST", body=b"x" * 100),
    get("/whole", method="POST", body=b"x" * 100),
    get("/whole", "Expect: 100-continue\r\n", "POST", body=b"x" * 100),
    CHUNKED,
    CHUNKED.replace(b"echo", b"whole"),
    b"\r\n\r\n" + get("/"),
    b"nonsense\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
)
OUTCOMES = {
    "accept": (OSError("injected"), MemoryError("injected"), None),
    "recv_into": (OSError("injected"), None, 0),
    "send": (OSError("injected"), None),
    "watch": (OSError("injected"), MemoryError("injected")),
    "wait": (MemoryError("injected"),),
    "listen": (OSError("injected"),),
    "up": (OSError("injected"),),
}


def stormy():
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/big")(lambda request: "~" * 600)
    app.post("/whole")(lambda request: request.body)
    app.get("/pieces")(lambda request: iter(["a", b"b", "c"]))
    app.get("/short")(lambda request: Response(iter(["a"]), 200, {"Content-Length": "5"}))
    app.open = 0

    @app.get("/boom")
    def boom(request):
        raise KeyError("boom")

    @app.get("/greedy")
    def greedy(request):
        raise MemoryError("greedy")

    @app.get("/sleep")
    async def slow(request):
        app.open += 1
        try:
            await sleep_ms(300)
            return "slept"
        finally:
            app.open -= 1

    @app.get("/ticks")
    async def ticks(request):
        app.open += 1
        try:
            for _ in range(5):
                yield "tick"
                await sleep_ms(100)
        finally:
            app.open -= 1

    @app.post("/echo", stream=True)
    async def echo(request):
        app.open += 1
        try:
            while True:
                piece = await request.read(7)
                if not piece:
                    return
                yield piece
        finally:
            app.open -= 1

    return app


class Storm:
    def __init__(self, bench, seed):
        self.bench = bench
        self.state = seed
        self.clients = []

    def number(self, below):
        self.state = (self.state * 75 + 74) % 65537
        return self.state % below

    def pick(self, values):
        return values[self.number(len(values))]

    def act(self):
        """Something that some client does."""
        if len(self.clients) < 3 or self.number(4) == 0:
            client = self.bench.connect()
            client.window = self.pick((None, None, 0, 50))
            self.clients.append(client)
            if len(self.clients) > 8:
                self.leave(self.clients.pop(0))
        client = self.pick(self.clients)
        what = self.number(12)
        if client.socket.ended or client.state not in ("connecting", "open"):
            self.clients.remove(client)
            self.leave(client)
        elif what < 6:
            client.send(self.pick(REQUESTS))
        elif what == 6:
            request = self.pick(REQUESTS)
            client.send(request[: self.number(len(request))])
        elif what == 7:
            client.send(bytes([self.number(256) for _ in range(self.number(60))]))
        elif what == 8:
            client.shutdown()
        elif what == 9:
            self.clients.remove(client)
            self.leave(client)
        elif client.window is not None:
            client.window += 100

    def leave(self, client):
        client.window = None
        if self.number(2):
            client.close()
        else:
            client.reset()


def check(seed, **limits):
    app = stormy()
    with serve(app, seed, **limits) as bench:
        storm = Storm(bench, seed)
        for turn in range(150):
            if storm.number(8) == 0:
                operation = storm.pick(sorted(OUTCOMES))
                bench.net.fail(operation, 1 + storm.number(3), storm.pick(OUTCOMES[operation]))
            if seed % 4 == 0 and turn % 50 == 40:
                bench.net.lose_link()
                bench.net.at(storm.number(3000), bench.net.restore_link)
            storm.act()
            bench.server.step(storm.number(100))
            assert len(bench.server.slots) <= bench.server.connections
        bench.net._faults.clear()
        for client in storm.clients:
            client.window = None
            if storm.number(2):
                storm.leave(client)
        bench.run(40000)  # deadlines, and the longest pause of a lost link
        assert not bench.server.slots and app.open == 0
        assert set(bench.take_log()) <= {"KeyError", "ValueError", "HTTPError"}
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")


def test_storms():
    for seed in range(SEEDS):
        try:
            check(seed)
        except Exception:
            print("seed", seed)
            raise


def test_storms_with_many_slots_and_few_sockets():
    for seed in range(SEEDS // 2):
        try:
            check(seed, connections=12, sockets=3, buffer=64)
        except Exception:
            print("seed", seed)
            raise
