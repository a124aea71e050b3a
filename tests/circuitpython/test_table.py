"""Each row of the table in ports/circuitpython/README.md: the stand-in behaves so, and the port makes the best of it.

A test is written once and runs on every chip family, over a tame fake network. It gets a Board, and is named after
what the port does.
"""

import sys

from standin import ERRNO, FLAVOURS, Board, Socket

from webhal.testing.fake import FakeNetwork

README = __file__[: -len("tests/circuitpython/test_table.py")] + "ports/circuitpython/README.md"

rows = {}  # the names of the functions that test a row, by its name


def row(*names, flavours=FLAVOURS, **options):
    """Make tests of a function that gets a Board with these options."""

    def add(function):
        for name in names:
            rows.setdefault(name, []).append(function.__name__)
        for flavour in flavours:

            def test(flavour=flavour):
                with Board(flavour, FakeNetwork(harsh=False), **options) as board:
                    function(board)

            setattr(sys.modules[__name__], "test_%s_on_%s" % (function.__name__, flavour), test)
        return function

    return add


def test_every_row_of_the_readme_is_tested_and_no_other():
    with open(README) as file:
        text = file.read().split("## What the platforms do")[1]
    lines = [line for line in text.split("\n") if line.startswith("| ")]
    named = [line.split("|")[1].strip() for line in lines]
    assert named[0] == "row" and len(named) > 20
    elsewhere = ["poll-tls", "tls-listener", "airlift", "wiznet"]  # test_tls.py, tests/blinka
    missing = [name for name in named[1:] if name not in rows and name not in elsewhere]
    assert not missing, missing
    assert not [name for name in rows if name not in named]


# -- steps ------------------------------------------------------------------------------------------------


def pool_of(board):
    return board.modules["socketpool"].SocketPool(board.radio)


def listening(board, port=80, timeout=0):
    """A listener of the firmware."""
    listener = pool_of(board).socket()
    listener.settimeout(timeout)
    listener.bind(("", port))
    listener.listen(8)
    return listener


def connected(board, timeout=0):
    """(client, the firmware's socket), with the listener's `timeout`."""
    listener = listening(board, 80, timeout)
    client = board.client(80)
    socket, _ = listener.accept()
    listener.close()
    return client, socket


def served(board, network):
    """(client, the network's socket)."""
    listener = network.listen(0, "", 8)
    client = board.client(network.local_port(listener))
    socket, _ = network.accept(listener)
    network.close(listener)
    return client, socket


def error_of(act, *arguments):
    try:
        act(*arguments)
    except Exception as error:
        if isinstance(error, AssertionError):
            raise
        return error
    raise AssertionError("no exception")


def fails(name, act, *arguments):
    """`act` raises OSError with the errno of this name."""
    error = error_of(act, *arguments)
    assert isinstance(error, OSError) and error.errno == ERRNO[name], repr(error)


# -- sockets ----------------------------------------------------------------------------------------------


@row("methods")
def only_what_the_firmware_has_is_called(board):
    for name in ("recv", "fileno", "makefile", "shutdown", "getpeername", "getsockname"):
        assert not hasattr(Socket, name)
    assert isinstance(error_of(listening(board, 80).listen), TypeError)
    network = board.network()
    listener = network.listen(0, "", 2)
    assert network.local_port(listener) >= 49152
    network.shut(listener)


@row("sockets")
def a_ninth_socket_is_an_oserror(board):
    pool = pool_of(board)
    sockets = [pool.socket() for _ in range(8)]
    assert repr(error_of(pool.socket)).startswith("RuntimeError('Out of sockets'")
    network = board.network()
    fails("ENOMEM", network.listen, 0, "", 2)
    sockets[0].close()
    network.listen(0, "", 2)


@row("sockets")
def the_web_workflow_counts_among_the_eight(board):
    board.workflow = 2
    pool = pool_of(board)
    sockets = [pool.socket() for _ in range(6)]
    assert isinstance(error_of(pool.socket), RuntimeError) and sockets


@row("reuse", version=8)
def version_8_has_no_sol_socket(board):
    assert not hasattr(pool_of(board), "SOL_SOCKET")
    network = board.network()
    board.lingering.append(80)
    network.listen(80, "", 2)


@row("reuse", version=9)
def version_9_is_told_to_reuse_the_address(board):
    board.lingering.append(80)
    fails("EADDRINUSE", listening, board)
    board.network().listen(80, "", 2)


@row("bind-taken")
def a_taken_port_is_eaddrinuse(board):
    other = listening(board, 80)
    fails("EADDRINUSE", listening, board, 80)
    error = error_of(board.network().listen, 80, "", 2)
    assert error.errno == ERRNO["EADDRINUSE"] and "port 80 is in use" in str(error)
    assert len(board.sockets) == 2  # `other`, and the first that failed
    other.close()


@row("bind-taken", version=8)
def a_taken_port_is_eaddrinuse_in_version_8(board):
    board.settings["CIRCUITPY_WEB_API_PASSWORD"] = "secret"
    board.boot()
    assert isinstance(error_of(listening, board, 80), ValueError if board.espressif else OSError)
    fails("EADDRINUSE", board.network().listen, 80, "", 2)


@row("bind-taken")
def a_host_that_is_none_of_ours_is_an_oserror(board):
    error = error_of(board.network().listen, 80, "198.51.100.7", 2)
    assert isinstance(error, OSError) and error.errno != ERRNO["EADDRINUSE"]
    assert not board.sockets


@row("bind-taken")
def a_port_is_chosen_among_the_free_ones(board):
    network = board.network()
    taken = listening(board, 49152 + (network._last + 1) % 16384)
    assert network.local_port(network.listen(0, "", 2)) != taken._port


@row("listen-twice")
def a_second_listener_is_eaddrinuse(board):
    pool = pool_of(board)
    listeners = [pool.socket() for _ in range(2)]
    for listener in listeners:
        listener.setsockopt(pool.SOL_SOCKET, pool.SO_REUSEADDR, 1)
        listener.bind(("", 80))
    listeners[0].listen(2)
    if board.espressif:
        listeners[1].listen(2)
        assert listeners[1]._deaf
    else:
        fails("ENOMEM", listeners[1].listen, 2)
    for listener in listeners:
        listener.close()
    network = board.network()
    network.listen(80, "", 2)
    fails("EADDRINUSE", network.listen, 80, "", 2)


# -- connections ------------------------------------------------------------------------------------------


@row("accept-nothing")
def accept_is_none_when_nobody_waits(board):
    listener = listening(board)
    fails("EAGAIN", listener.accept)
    listener.close()
    network = board.network()
    assert network.accept(network.listen(80, "", 2)) is None


@row("accept-nothing")
def accept_is_none_when_interrupted(board):
    board.interrupted = True
    listener = listening(board, 80, timeout=None)
    if board.espressif:
        fails("EAGAIN", listener.accept)
    else:
        assert listener.accept()[0] is None
    network = board.network()
    assert network.accept(listener) is None


@row("accept-out")
def a_client_is_not_lost_when_no_socket_is_left(board):
    listener = listening(board)
    lost = board.client(80)
    board.workflow = 7
    if board.espressif:
        fails("EAGAIN", listener.accept)
        assert lost.state == "ended"
    else:
        assert isinstance(error_of(listener.accept), RuntimeError)
        assert lost.state == "open"
    board.workflow = 0
    listener.close()
    network = board.network()
    listener = network.listen(80, "", 2)
    client = board.client(80)
    board.workflow = 7
    fails("ENOMEM", network.accept, listener)
    board.workflow = 6
    assert network.accept(listener)
    assert client.state == "open"


@row("accept-out")
def a_socket_that_is_lost_at_the_last_moment_is_no_crash(board):
    network = board.network()
    listener = network.listen(80, "", 2)
    client = board.client(80)
    socket = network._socket

    def lose_it():
        spare = socket()
        board.workflow = 7
        return spare

    network._socket = lose_it
    if board.espressif:
        assert network.accept(listener) is None
    else:
        fails("ENOMEM", network.accept, listener)
    assert client.state == "ended"  # it is not left to wait


@row("accept-gone")
def a_client_that_is_gone_is_passed_over_or_found_dead(board):
    network = board.network()
    listener = network.listen(80, "", 8)
    for _ in range(3):
        board.client(80).reset()
    board.client(80)
    alive = 0
    for _ in range(4):
        accepted = network.accept(listener)
        if accepted:
            assert not accepted[0]._dead or board.espressif
            alive += not accepted[0]._dead
            network.close(accepted[0])
    assert alive == 1


@row("accepted")
def an_accepted_socket_does_not_block(board):
    _, socket = connected(board, timeout=3)
    assert socket._timeout == (0 if board.espressif else 3)
    _, socket = served(board, board.network())
    assert socket._timeout == 0 and socket.no_delay


@row("recv-nothing")
def nothing_to_receive_is_none(board):
    _, socket = connected(board)
    fails("EAGAIN", socket.recv_into, bytearray(4))
    network = board.network()
    _, socket = served(board, network)
    assert network.recv_into(socket, bytearray(4)) is None


@row("recv-end")
def the_end_of_the_stream_is_0_again_and_again(board):
    client, socket = connected(board)
    client.shutdown()
    if board.espressif:
        fails("ENOTCONN", socket.recv_into, bytearray(4))
    else:
        assert socket.recv_into(bytearray(4)) == 0
    network = board.network()
    client, socket = served(board, network)
    client.send(b"last")
    client.shutdown()
    assert network.recv_into(socket, bytearray(9)) == 4
    for _ in range(3):
        assert network.recv_into(socket, bytearray(9)) == 0


@row("recv-end", version=8)
def the_end_of_the_stream_is_0_in_version_8(board):
    client, socket = connected(board)
    client.shutdown()
    assert socket.recv_into(bytearray(4)) == 0


@row("recv-reset")
def a_reset_is_an_oserror(board):
    client, socket = connected(board)
    client.reset()
    if board.espressif:
        fails("EAGAIN", socket.recv_into, bytearray(4))
        fails("EAGAIN", socket.recv_into, bytearray(4))
        fails("ENOTCONN", socket.recv_into, bytearray(4))
    else:
        fails("ECONNRESET", socket.recv_into, bytearray(4))
    network = board.network()
    client, socket = served(board, network)
    client.reset()
    outcomes = []
    for _ in range(3):
        try:
            outcomes.append(network.recv_into(socket, bytearray(4)))
        except OSError:
            outcomes.append("OSError")
    assert outcomes == [None, None, "OSError"] or outcomes == 3 * ["OSError"], outcomes


@row("send-full")
def a_full_buffer_is_none(board):
    client, socket = connected(board, timeout=2)
    socket.settimeout(2)
    client.window = 4
    assert socket.send(b"data") == 4
    start = board.ticks_ms()
    fails("EAGAIN" if board.espressif else "ETIMEDOUT", socket.send, b"data")
    assert ((board.ticks_ms() - start) % (1 << 29) >= 2000) is not board.espressif
    client.window = 2
    fails("EAGAIN" if board.espressif else "ETIMEDOUT", socket.sendall, b"data")
    network = board.network()
    client, socket = served(board, network)
    client.window = 2
    assert network.send(socket, b"data", 1) == 2
    assert network.send(socket, b"data", 3) is None
    assert client.received == b"at"


@row("send-full")
def much_is_sent_in_pieces_of_a_segment(board):
    network = board.network()
    client, socket = served(board, network)
    data = bytes(range(250)) * 20
    start = 0
    while start < len(data):
        n = network.send(socket, data, start)
        assert n <= 1460
        start += n
    assert client.received == data


@row("send-closed")
def to_send_to_who_has_gone_is_an_oserror(board):
    assert "EPIPE" not in ERRNO
    client, socket = connected(board)
    client.shutdown()
    if board.espressif:
        assert socket.send(b"still") == 5
        fails("ENOTCONN", socket.recv_into, bytearray(4))
    assert error_of(socket.send, b"data").errno == 32
    network = board.network()
    client, socket = served(board, network)
    client.close()
    assert network.recv_into(socket, bytearray(4)) == 0
    assert isinstance(error_of(network.send, socket, b"data", 0), OSError)
    client, socket = served(board, network)
    client.reset()
    for _ in range(2):
        assert isinstance(error_of(network.send, socket, b"data", 0), OSError)


@row("options-dead")
def options_of_the_dead_are_set_only_where_it_does_no_harm(board):
    client, socket = connected(board)
    client.reset()
    if board.espressif:
        fails("EINVAL", socket.setsockopt, 6, 1, 1)
    else:
        try:
            socket.setsockopt(6, 1, 1)
        except AssertionError:
            pass
        else:
            raise Exception("the stand-in allowed it")
    network = board.network()
    client, socket = served(board, network)
    client.reset()
    for _ in range(4):
        try:
            network.recv_into(socket, bytearray(4))
        except OSError:
            pass


# -- readiness --------------------------------------------------------------------------------------------


@row("poll-listener")
def a_listener_that_is_always_readable_neither_spins_nor_keeps_a_client_waiting(board):
    poller = board.modules["select"].poll()
    listener = listening(board)
    poller.register(listener, 1)
    assert bool(poller.poll(0)) is not board.espressif
    listener.close()
    network = board.network()
    listener = network.listen(80, "", 2)
    network.watch(listener, True, False)
    board.calls.clear()
    start = board.ticks_ms()
    waits = 0
    while (board.ticks_ms() - start) % (1 << 29) < 1000:
        for socket in network.wait(500):
            assert network.accept(socket) is None
        waits += 1
    assert waits <= 21, waits
    client = board.client(80)
    start = board.ticks_ms()
    assert listener in network.wait(500)
    assert (board.ticks_ms() - start) % (1 << 29) <= 50
    socket, _ = network.accept(listener)
    network.watch(socket, True, False)
    client.send(b"x")
    assert listener in network.wait(500) or board.espressif
    network.watch(listener, False, False)
    assert listener not in network.wait(0)


@row("poll-reset")
def a_reset_is_reported(board):
    poller = board.modules["select"].poll()
    client, socket = connected(board)
    poller.register(socket, 5)
    assert poller.poll(0) == [(socket, 4)]
    client.reset()
    assert bool(poller.poll(0)) is board.espressif
    network = board.network()
    for read in (True, False):
        client, socket = served(board, network)
        network.watch(socket, read, not read)
        client.reset()
        assert network.wait(500) == [socket]
        network.close(socket)


@row("no-select", poll=False)
def without_select_all_that_is_watched_is_looked_at(board):
    network = board.network()
    listener = network.listen(80, "", 2)
    network.watch(listener, True, False)
    start = board.ticks_ms()
    assert network.wait(500) == [listener]
    assert (board.ticks_ms() - start) % (1 << 29) <= 5
    network.watch(listener, False, False)
    assert network.wait(0) == []


# -- numbers and clocks -----------------------------------------------------------------------------------


@row("errno")
def errors_are_told_by_name(board):
    import errno
    import sys

    if sys.implementation.name == "circuitpython" and hasattr(sys, "getrefcount"):  # CPython beneath
        assert (errno.EADDRINUSE, errno.ETIMEDOUT, errno.ENOTCONN) == (112, 116, 128)
    network = board.network()
    network.listen(80, "", 2)
    assert error_of(network.listen, 80, "", 2).errno == errno.EADDRINUSE


@row("ticks")
def ticks_wrap(board):
    network = board.network()
    before = network.ticks_ms()
    board.rest(5000)
    after = network.ticks_ms()
    assert after < before < 1 << 29
    assert network.ticks_diff(after, before) == 5000 and network.ticks_diff(before, after) == -5000
    assert network.ticks_diff(before + (1 << 28) - 1, before) == (1 << 28) - 1


@row("clock")
def a_clock_that_is_not_set_gives_no_date(board):
    network = board.network()
    assert network.unix_time() is None
    board.unix_time = 1_800_000_000.5
    assert network.unix_time() == 1_800_000_000


# -- radio ------------------------------------------------------------------------------------------------


@row("radio-address", "settings")
def what_the_firmware_joined_is_up(board):
    network = board.network()
    board.radio.attempts.clear()
    network.up(10_000)
    assert network.status() == "up" and network.address() == "192.0.2.1"
    assert not board.radio.attempts
    network.down()
    assert network.status() == "down" and network.address() is None
    network.down()


@row("radio-connect", "settings")
def wifi_is_joined_with_the_settings(board):
    board.radio.stop_station()
    board.radio.enabled = False
    board.settings["WEBHAL_HOSTNAME"] = "lamp"
    board.radio.attempts.clear()
    network = board.network()
    network.up(10_000)
    assert network.address() == "192.0.2.1" and board.radio.hostname == "lamp"
    assert board.radio.attempts == [("home", 10)]


@row("radio-connect")
def arguments_win_over_settings(board):
    board.radio.stop_station()
    board.networks["other"] = "another one"
    network = board.network(ssid="other", password="another one", hostname="door")
    network.up(10_000)
    assert board.radio.joined == "other" and board.radio.hostname == "door"


@row("radio-connect")
def what_keeps_from_joining_is_said_in_words(board):
    board.radio.stop_station()
    network = board.network()
    for settings, words in (
        ({"CIRCUITPY_WIFI_SSID": "nowhere"}, "WiFi nowhere: No network with that ssid"),
        ({"CIRCUITPY_WIFI_SSID": "home", "CIRCUITPY_WIFI_PASSWORD": "wrong horse"}, "Authentication failure"),
        ({"CIRCUITPY_WIFI_PASSWORD": "short"}, "password length"),
        ({"CIRCUITPY_WIFI_SSID": ""}, "write CIRCUITPY_WIFI_SSID"),
    ):
        board.settings.update(settings)
        error = error_of(network.up, 10_000)
        assert isinstance(error, OSError) and words in str(error), repr(error)
        network.up(0)
        assert network.status() == "down"


@row("radio-connect", "radio-address")
def an_access_point_is_offered(board):
    board.radio.stop_station()
    board.settings["CIRCUITPY_WIFI_SSID"] = ""
    board.settings["WEBHAL_AP_SSID"] = "lamp"
    board.settings["WEBHAL_AP_PASSWORD"] = "battery staple"
    network = board.network()
    network.up(10_000)
    assert board.radio.offered == ("lamp", "battery staple")
    assert network.status() == "up" and network.address() == "192.168.4.1"
    network.down()
    assert network.status() == "down"


@row("radio-connect", settings={"WEBHAL_AP_SSID": "lamp"})
def an_access_point_is_offered_besides_what_the_firmware_joined(board):
    board.radio.attempts.clear()
    network = board.network()
    network.up(10_000)
    network.up(10_000)
    assert board.radio.offered == ("lamp", "") and network.address() == "192.0.2.1"
    assert not board.radio.attempts and board.radio.aps_started == 1


@row("radio-connect", settings={"WEBHAL_AP_SSID": "lamp", "WEBHAL_AP_PASSWORD": "short"})
def an_access_point_that_cannot_be_is_no_reason_not_to_serve(board):
    network = board.network()
    network.up(10_000)
    assert network.address() == "192.0.2.1" and not board.radio.offered
    board.radio.stop_station()
    assert "WiFi home: password length" in str(error_of(network.up, 10_000))


@row("radio-connect")
def an_access_point_is_there_though_the_network_is_not(board):
    board.lose_link()
    network = board.network(ap_ssid="lamp")
    network.up(10_000)
    assert network.status() == "up" and network.address() == "192.168.4.1"
    board.radio.attempts.clear()
    network.up(10_000)
    assert not board.radio.attempts
    board.networks["home"] = "correct horse"
    board.radio.stop_ap()
    network.up(10_000)
    assert network.address() == "192.0.2.1" and board.radio.ap_active


@row("workflow-port", settings={"CIRCUITPY_WEB_API_PASSWORD": "secret"})
def the_web_workflow_on_the_same_port_is_named(board):
    network = board.network()
    error = error_of(network.listen, 80, "", 2)
    assert error.errno == ERRNO["EADDRINUSE"] and "CIRCUITPY_WEB_API_PORT" in str(error)
    network.listen(8000, "", 2)


@row("workflow-port", settings={"CIRCUITPY_WEB_API_PASSWORD": "secret", "CIRCUITPY_WEB_API_PORT": 8080})
def the_web_workflow_on_another_port_is_no_harm(board):
    network = board.network()
    network.listen(80, "", 2)
    assert "CIRCUITPY_WEB_API_PORT" in str(error_of(network.listen, 8080, "", 2))
    assert "web workflow" not in str(error_of(network.listen, 80, "", 2))


@row("reload")
def a_port_can_be_had_again_after_a_reload(board):
    network = board.network()
    listener = network.listen(80, "", 2)
    client = board.client(80)
    network.accept(listener)
    board.reload()
    assert not board.sockets and board.lingering == [80] and client.state == "ended"
    network = board.network()
    listener = network.listen(80, "", 2)
    board.client(80)
    assert network.accept(listener)


@row("mdns", settings={"WEBHAL_HOSTNAME": "lamp"})
def the_server_is_announced(board):
    network = board.network()
    network.close(network.listen(0, "", 2))
    assert not board.services
    network.close(network.listen(8000, "", 2))
    network.listen(8001, "", 2)
    assert board.services == {"lamp": ("_http", "_tcp", 8001)}
    assert board.mdns_servers == 1


@row("mdns")
def a_server_that_cannot_be_announced_serves(board):
    board.mdns_servers = 1
    network = board.network()
    network.listen(80, "", 2)
    assert not board.services


@row("asyncio")
def nothing_is_imported_but_what_the_firmware_has(board):
    import sys

    before = list(sys.modules)
    from webhal.app import App
    from webhal.server import Server

    server = Server(App(), board.network())
    server.open()
    server.step()
    server.close()
    firmware = list(board.modules) + ["gc", "json", "binascii", "io", "random", "struct"]
    for name in sys.modules:
        if name not in before and name.split(".")[0] not in ("webhal", "webhal_circuitpython"):
            assert name in firmware, name
