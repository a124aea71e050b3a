"""Starting: limits, the listener, which network App.run serves over, what it raises, and how it ends."""

import sys

from serving import CLOSE, get, raises, serve

from webhal import App
from webhal.server import Server
from webhal.testing.fake import FakeNetwork


class Ending(FakeNetwork):
    """A network on which somebody presses Ctrl-C after some waits."""

    def __init__(self, waits):
        super().__init__(harsh=False)
        self.waits = waits
        self.client = None

    def wait(self, timeout_ms):
        self.waits -= 1
        if self.client is None:
            self.client = self.connect(self.listeners[0].port)
            self.client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if not self.waits:
            raise KeyboardInterrupt
        return super().wait(timeout_ms)


def slow():
    from webhal import sleep_ms

    app = App()

    @app.get("/")
    async def handler(request):
        await sleep_ms(3000)
        return "done"

    return app


def test_ctrl_c_finishes_what_runs():
    net = Ending(3)
    slow().run(8080, network=net)
    assert net.client.received.endswith(b"done") and b"Connection: close" in net.client.received
    assert not net.listeners and not net.sockets


def test_ctrl_c_finishes_a_stream():
    app = App()
    app.get("/")(lambda request: iter(["piece"] * 20))
    net = Ending(6)
    app.run(8080, network=net)
    assert net.client.received.endswith(b"\r\n0\r\n\r\n") and net.client.received.count(b"piece") == 20
    assert net.now < 5000


def test_a_second_ctrl_c_ends_at_once():
    class Twice(Ending):
        def wait(self, timeout_ms):
            if self.waits < 0:
                raise KeyboardInterrupt
            return super().wait(timeout_ms)

    net = Twice(3)
    raises(KeyboardInterrupt, lambda: slow().run(8080, network=net))
    assert net.client.received == b"" and not net.listeners and not net.sockets


def test_a_port_that_is_taken():
    net = FakeNetwork()
    net.listen(8080, "", 1)
    raises(OSError, lambda: App().run(8080, network=net))


def test_no_link():
    net = FakeNetwork()
    net.lose_link()
    assert "no such network" in str(raises(OSError, lambda: App().run(8080, network=net)))


def test_by_default_it_is_port_80_of_every_address_and_as_many_connections_as_the_network_bears():
    class Told(Ending):
        def listen(self, *place):
            self.place = place
            return super().listen(*place)

    net = Told(3)
    slow().run(network=net)
    assert net.place == (80, "", 4)
    net = Told(3)
    net.limits = {"connections": 3}
    slow().run(network=net)
    assert net.place == (80, "", 3)


def test_limits_are_those_of_a_server():
    net = FakeNetwork()
    raises(TypeError, lambda: App().run(8080, network=net, conections=4))
    raises(ValueError, lambda: App().run(8080, network=net, connections=0))
    for port in ("80", -1, 65536, 80.0, None):
        assert repr(port) in str(raises(ValueError, lambda port=port: App().run(port, network=net)))
    assert not net.listeners


def test_the_platform_s_own_network_is_the_default():
    name = "webhal_" + sys.implementation.name
    saved = {key: sys.modules[key] for key in list(sys.modules) if key.split(".")[0] == name}
    made = []

    class Module:
        def Network():  # noqa: N805
            made.append(Ending(3))
            return made[0]

    package = Module()
    package.network = Module
    sys.modules[name] = package
    sys.modules[name + ".network"] = Module
    try:
        slow().run(0)
    finally:
        for key in (name, name + ".network"):
            del sys.modules[key]
        sys.modules.update(saved)
    assert made[0].client.received.endswith(b"done")


def echo():
    app = App()
    app.post("/")(lambda request: request.body)
    return app


def test_wrong_limits_are_named():
    for limits in (
        {"connections": 0},
        {"connections": -1},
        {"connections": "4"},
        {"head": 0},
        {"body": -1},
        {"buffer": 0},
        {"deadlines": (1, 2, 3)},
        {"deadlines": (1, 2, 3, 0)},
        {"deadlines": (1, 2, 3, 4, 5)},
        {"deadlines": {"rests": 1}},
        {"deadlines": {"idle": None}},
        {"deadlines": {"idle": "5"}},
        {"deadlines": {"idle": -1, "rest": 1}},
        {"deadlines": "5"},
        {"deadlines": None},
        {"buffer": 31},
    ):
        (name,) = limits
        assert name in str(raises(ValueError, lambda limits=limits: Server(App(), FakeNetwork(), **limits)))
    assert "'slots'" in str(raises(TypeError, lambda: Server(App(), FakeNetwork(), slots=4)))


def test_limits_come_from_the_caller_else_from_the_network_else_from_the_smallest_board():
    net = FakeNetwork()
    server = Server(App(), net)
    assert (server.connections, server.head, server.body, server.buffer) == (4, 1024, 2048, 512)
    net.limits = {"connections": 6, "body": 0, "deadlines": (1, 2, 3, 4)}
    server = Server(App(), net)
    assert (server.connections, server.head, server.body, server.deadlines) == (6, 1024, 0, seconds(1, 2, 3, 4))
    server = Server(App(), net, connections=1, body=7, deadlines=(0.5, 1, 1, 1))
    assert (server.connections, server.body, server.deadlines) == (1, 7, seconds(0.5, 1, 1, 1))
    assert Server(App(), FakeNetwork()).connections == 4
    server = Server(App(), net, deadlines={"idle": 60})
    assert server.deadlines == seconds(1, 2, 60, 4)


def seconds(start, rest, idle, write):
    return {"start": start, "rest": rest, "idle": idle, "write": write, "linger": 2}


def test_a_deadline_may_be_a_fraction_of_a_second():
    with serve(echo(), deadlines=(0.6, 1, 1, 1)) as bench:
        client = bench.connect()
        bench.run(590)
        assert client.state == "open"
        bench.run(600)
        assert client.state == "ended"


def test_no_body_at_all():
    with serve(echo(), body=0) as bench:
        assert bench.ask(get(method="POST", body=b"x")).startswith(b"HTTP/1.1 413 ")
        assert bench.ask(get(fields=CLOSE, method="POST")).startswith(b"HTTP/1.1 200 ")


def test_port_0_is_one_that_the_platform_chooses():
    app = echo()
    told = []
    app.on("listen")(lambda address, port: told.append(port))
    net = FakeNetwork()
    server = Server(app, net)
    server.open(0)
    port = net.local_port(net.listeners[0])
    assert port and told == [port]
    net.lose_link()
    server.step(500)
    net.restore_link()
    for _ in range(100):
        server.step(500)
    assert net.local_port(net.listeners[0]) == port
    server.close()
    assert not net.listeners


def test_places_that_are_none():
    for port in (-1, 65536, "80", None, 80.0):
        error = raises(ValueError, lambda port=port: Server(echo(), FakeNetwork()).open(port))
        assert str(error) == "a port is an int from 0 to 65535, not " + repr(port)
    for host in (5, None, b"") if sys.implementation.name == "cpython" else ():
        error = raises(ValueError, lambda host=host: Server(echo(), FakeNetwork()).open(80, host))
        assert str(error) == "a host is str, not " + repr(host)


def test_open_that_cannot():
    net = FakeNetwork()
    other = Server(echo(), net)
    other.open(80)
    raises(OSError, lambda: Server(echo(), net).open(80))
    net.lose_link()
    assert "no such network" in str(raises(OSError, lambda: Server(echo(), net).open(81, timeout_ms=100)))
    start = net.now
    raises(OSError, Server(App(), net).open)
    assert net.now - start == 30000  # unless it is told otherwise
    other.close()
