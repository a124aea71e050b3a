"""The port over the socket pools of an AirLift and of a WIZNET5K: their real libraries, over stand-ins for the chips.

The libraries are CircuitPython's own; Blinka lets them run here. The stand-ins do what the chips do, with this
machine's sockets.
"""

import adafruit_esp32spi.adafruit_esp32spi_socketpool as airlift
import adafruit_wiznet5k.adafruit_wiznet5k_socketpool as wiznet
import pytest
from adafruit_esp32spi import adafruit_esp32spi as esp32spi
from adafruit_wiznet5k import adafruit_wiznet5k as wiznet5k
from standin import Board
from wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Chip:
    """What both chips have: numbered sockets."""

    MOST = 8

    def __init__(self):
        self.wire = Wire()
        self.sockets = {}  # by number: None when reserved, a listener, or a _Connection
        self.listeners = {}  # by the port that the board listens on
        self.ports = {}  # this machine's ports, likewise

    def free(self):
        for number in range(self.MOST):
            if number not in self.sockets:
                return number
        return None

    def close_all(self):
        for number in list(self.sockets):
            self.socket_close(number)

    def listener(self, port):
        if port not in self.listeners:
            self.listeners[port] = self.wire.listen(0, "127.0.0.1", 8)
            self.ports[port] = self.wire.local_port(self.listeners[port])
        return self.listeners[port]

    def socket_close(self, number):
        socket = self.sockets.pop(number, None)
        if isinstance(socket, _Connection):
            self.wire.close(socket.wire_socket)
        for port, listener in list(self.listeners.items()):
            if listener is socket and socket not in self.sockets.values():
                self.wire.close(self.listeners.pop(port))


class _Connection:
    def __init__(self, wire, wire_socket, peer):
        self.wire, self.wire_socket, self.peer = wire, wire_socket, peer
        self.inbox = bytearray()
        self.ended = self.dead = False

    def take(self):
        scratch = bytearray(2000)
        while not self.ended and not self.dead and len(self.inbox) < 4000:
            try:
                count = self.wire.recv_into(self.wire_socket, scratch)
            except OSError:
                self.dead = True
                return
            if count is None:
                return
            self.inbox += scratch[:count]
            self.ended = not count

    def read(self, size):
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        return data


class AirLift(Chip):
    """ESP_SPIcontrol, as far as its pool and the port use it; `old`: firmware that offers connections again."""

    TCP_MODE, UDP_MODE = 0, 1
    MOST = 10

    def __init__(self, old):
        super().__init__()
        self.old = old
        self.ipv4_address = "127.0.0.1"
        self.answers = True

    def __getattribute__(self, name):
        if name == "ipv4_address" and not self.answers:
            raise TimeoutError("ESP32 not responding")
        return object.__getattribute__(self, name)

    def connect(self, ssid, password=None, timeout=10):
        self.ipv4_address = "127.0.0.1"

    def disconnect(self):
        self.ipv4_address = "0.0.0.0"

    def get_socket(self):
        number = self.free()
        if number is None:
            raise OSError(23)
        self.sockets[number] = None
        return number

    def start_server(self, port, number, conn_mode=0):
        self.sockets[number] = self.listener(port)

    def socket_available(self, number):
        socket = self.sockets.get(number)
        if isinstance(socket, _Connection):
            socket.take()
            return len(socket.inbox)
        accepted = self.wire.accept(socket)
        free = self.free()
        if accepted and free is not None:
            self.sockets[free] = _Connection(self.wire, *accepted)
            return free
        if self.old:
            for other, connection in self.sockets.items():
                if isinstance(connection, _Connection) and self.socket_available(other):
                    return other
        return 255

    def get_remote_data(self, number):
        host, port = self.sockets[number].peer
        return {"ip_addr": [int(part) for part in host.split(".")], "port": port}

    def socket_status(self, number):
        socket = self.sockets.get(number)
        if not isinstance(socket, _Connection) or socket.dead or socket.ended:
            return esp32spi.SOCKET_CLOSED
        return esp32spi.SOCKET_ESTABLISHED

    def socket_read(self, number, size):
        return self.sockets[number].read(size)

    def socket_write(self, number, data, conn_mode=0):
        sent = 0
        try:
            while sent < len(data):
                sent += self.wire.send(self.sockets[number].wire_socket, data, sent) or 1 << 30
        except OSError:
            sent = 0
        if sent != len(data):
            self.socket_close(number)
            raise ConnectionError("Failed to send")
        return sent


class Wiznet(Chip):
    """WIZNET5K, likewise."""

    ip_address = b"\x7f\0\0\1"
    ipv4_address = "127.0.0.1"

    def pretty_ip(self, address):
        return "%d.%d.%d.%d" % tuple(address)

    def get_socket(self, reserve_socket=False):
        number = self.free()
        if number is None:
            raise RuntimeError("All sockets in use.")
        if reserve_socket:
            self.sockets[number] = None
        return number

    def release_socket(self, number):
        if self.sockets.get(number, 1) is None:
            del self.sockets[number]

    def socket_listen(self, number, port, conn_mode=0x21):
        self.sockets[number] = self.listener(port)

    def socket_status(self, number):
        socket = self.sockets.get(number)
        if socket is None:
            return wiznet5k.SNSR_SOCK_CLOSED
        if isinstance(socket, _Connection):
            socket.take()
            if socket.dead:
                return wiznet5k.SNSR_SOCK_CLOSED
            return wiznet5k.SNSR_SOCK_CLOSE_WAIT if socket.ended else wiznet5k.SNSR_SOCK_ESTABLISHED
        return wiznet5k.SNSR_SOCK_LISTEN

    def socket_accept(self, number):
        socket = self.sockets[number]
        accepted = None if isinstance(socket, _Connection) else self.wire.accept(socket)
        if accepted:  # the listening socket becomes the connection
            socket = self.sockets[number] = _Connection(self.wire, *accepted)
        if isinstance(socket, _Connection):
            return self.free(), socket.peer
        return self.free(), ("0.0.0.0", 0)

    def socket_available(self, number, mode=0x21):
        socket = self.sockets[number]
        if not isinstance(socket, _Connection):
            return 0
        socket.take()
        return len(socket.inbox)

    def socket_read(self, number, size):
        data = self.sockets[number].read(size)
        return len(data), data

    def socket_write(self, number, data, timeout=0):
        if self.socket_status(number) not in (wiznet5k.SNSR_SOCK_ESTABLISHED, wiznet5k.SNSR_SOCK_CLOSE_WAIT):
            raise RuntimeError("Unable to write data to the socket.")
        try:
            return self.wire.send(self.sockets[number].wire_socket, data, 0)
        except OSError:
            raise RuntimeError("No data was sent, socket was closed.") from None

    def socket_disconnect(self, number):
        pass


@pytest.fixture(params=["airlift", "airlift, old firmware", "wiznet"])
def radio(request, monkeypatch):
    """(radio, its socket pool)."""
    if request.param == "wiznet":
        # One argument is enough for CircuitPython's OSError to have an errno.
        monkeypatch.setattr(wiznet, "OSError", lambda number: OSError(number, "no text"), raising=False)
        chip = Wiznet()
        pool = wiznet.SocketPool(chip)
    else:
        chip = AirLift(old="old" in request.param)
        pool = airlift.SocketPool(chip)
    yield chip, pool
    chip.close_all()


@pytest.fixture
def network(radio):
    """The port over that radio, on a board without WiFi, which has `select` all the same."""
    chip, pool = radio
    with Board("espressif") as board:
        board.modules.pop("wifi")
        board.modules.pop("socketpool")
        yield board.network(pool=pool, radio=chip)


def test_all_promises_are_kept_that_the_radio_can_keep(radio, network):
    from webhal.testing import promises
    from webhal.testing.check import Bench, SocketClient

    chip, _ = radio
    # Rows airlift, wiznet: who does not read is not waited for; a reset is like the end, which those expect not to be.
    beyond = [promises.send_none, promises.recv_reset, promises.close_again, promises.wait_failed]
    if isinstance(chip, Wiznet):
        beyond.append(promises.accept_gone)

    def connect(_, host, port):
        return SocketClient(None, host, chip.ports[port])

    broken = []
    for text, test in promises.PROMISES:
        if test in beyond:
            continue
        bench = Bench(network, connect, "127.0.0.1", None, None, 2000)
        try:
            test(bench)
        except promises.Skip:
            pass
        except Exception as error:
            broken.append(f"{text}: {error!r}")
        finally:
            bench.close()
    assert not broken


def test_a_server_answers(radio, network):
    from webhal.app import App
    from webhal.server import Server
    from webhal.testing.check import SocketClient

    chip, _ = radio
    app = App()
    app.get("/")(lambda request: "hello")
    server = Server(app, network)
    server.open(80)
    clients = []
    for _ in range(12):  # more than there are sockets
        client = SocketClient(None, "127.0.0.1", chip.ports[80])
        clients.append(client)
        client.send(GET)
        got = b""
        for _ in range(400):
            server.step(10)
            got += client.read()
            if got.endswith(b"\r\n\r\nhello"):
                break
        else:
            raise AssertionError(got)
    for client in clients:
        client.close()
    server.close()


def test_a_radio_that_does_not_answer_is_down(radio, network):
    chip, _ = radio
    if isinstance(chip, AirLift):
        chip.answers = False
        assert network.status() == "down"
        chip.answers = True
    assert network.status() == "up"


def test_a_pool_without_its_radio_is_refused(radio):
    with Board("espressif") as board:
        with pytest.raises(ValueError, match="pool and radio"):
            board.network(pool=radio[1])
