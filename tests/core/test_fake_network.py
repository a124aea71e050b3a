"""The fake network: that it is as harsh, as strict and as repeatable as the tests of the core rely on."""

import errno

from serving import raises

from webhal.testing.fake import FakeNetwork


def open_pair(net):
    """(client, socket), the socket watched for read."""
    listener = net.listen(80, "", 5)
    client = net.connect()
    while True:
        accepted = net.accept(listener)
        if accepted:
            net.watch(accepted[0], True, False)
            return client, accepted[0]


def receive(net, socket):
    """All that is there: (bytes, whether the stream has ended)."""
    data = b""
    buffer = bytearray(64)
    while True:
        n = net.recv_into(socket, buffer)
        if n:
            data += bytes(buffer[:n])
        elif n == 0 or not socket.inbox and not socket.ended:
            return data, n == 0


def send(net, socket, data):
    start = 0
    while start < len(data):
        start += net.send(socket, data, start) or 0


def refuses(net, act, *arguments):
    """Whether the fake calls it misuse, and says so again at the next wait."""
    said = str(raises(AssertionError, act, *arguments))
    again = str(raises(AssertionError, net.wait, 0))
    net.misuse = ""
    return said == again and said != ""


# -- clock and script -------------------------------------------------------------------------------


def test_wait_moves_the_clock_to_the_next_event_or_the_time_out():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send_later(300, b"x")
    assert net.wait(100) == [] and net.now == 100
    assert net.wait(1_000) == [socket] and net.now == 300
    assert net.wait(1_000) == [socket] and net.now == 300


def test_events_happen_in_order_of_time_then_of_their_making():
    net = FakeNetwork()
    seen = []
    net.at(20, lambda: seen.append(("b", net.now)))
    net.at(10, lambda: net.at(10, lambda: seen.append(("c", net.now))))
    net.at(10, lambda: seen.append(("a", net.now)))
    net.advance(15)
    assert seen == [("a", 10)] and net.now == 15
    net.advance(5)
    assert seen == [("a", 10), ("b", 20), ("c", 20)]


def test_ticks_wrap_early_and_diff_is_right_over_days():
    net = FakeNetwork()
    start = net.ticks_ms()
    net.advance(10_000)
    assert net.ticks_ms() < start
    assert net.ticks_diff(net.ticks_ms(), start) == 10_000 == -net.ticks_diff(start, net.ticks_ms())
    net.advance(2**28 - 10_001)
    assert net.ticks_diff(net.ticks_ms(), start) == 2**28 - 1


def test_unix_time_is_there_once_it_is_set():
    net = FakeNetwork()
    assert not hasattr(net, "unix_time")
    net.set_time(1_700_000_000)
    net.advance(2_500)
    assert net.unix_time() == 1_700_000_002


def test_an_event_that_is_due_happens_without_waiting():
    net = FakeNetwork()
    seen = []
    net.at(0, lambda: seen.append(net.now))
    net.wait(0)
    assert seen == [0]


# -- harshness --------------------------------------------------------------------------------------


def test_reads_and_writes_are_short_and_sometimes_none():
    net = FakeNetwork()
    client, socket = open_pair(net)
    counts = []
    for _ in range(40):
        client.send(b"." * 100)
        counts.append(net.recv_into(socket, bytearray(100)))
        counts.append(net.send(socket, b"." * 100, 0))
    assert None in counts and len(set(counts)) > 20 and 0 not in counts


def test_wait_is_early_and_wrong_now_and_then():
    net = FakeNetwork()
    _, socket = open_pair(net)
    early = wrong = 0
    for _ in range(100):
        before = net.now
        wrong += socket in net.wait(100)
        early += net.now < before + 100
    assert 0 < early < 50 and 0 < wrong < 50


def test_what_is_not_received_yet_is_not_copied():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send(b"x" * 1000)
    inbox = socket.inbox
    assert net.recv_into(socket, bytearray(400)) == 400
    assert socket.inbox is inbox and len(inbox) == 600


def test_a_seed_replays():
    def play(seed):
        net = FakeNetwork(seed)
        client, socket = open_pair(net)
        client.send(b"." * 500)
        return [net.recv_into(socket, bytearray(100)) for _ in range(20)]

    assert play(7) == play(7) != play(8)


def test_a_tame_network_is_exact():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send(b"." * 500)
    assert net.recv_into(socket, bytearray(1000)) == 500
    assert net.send(socket, b"." * 1000, 10) == 990


def test_the_list_of_wait_is_used_again():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send(b"x")
    reported = net.wait(0)
    assert reported == [socket]
    net.watch(socket, False, False)
    net.wait(0)
    assert reported == []


# -- TCP --------------------------------------------------------------------------------------------


def test_end_of_stream_comes_after_the_data_and_stays():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"data")
    client.shutdown()
    assert receive(net, socket) == (b"data", True)
    assert receive(net, socket) == (b"", True)
    send(net, socket, b"answer")
    assert client.received == b"answer"


def test_a_closed_client_answers_with_a_reset():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"data")
    send(net, socket, b"answer")
    client.close()
    assert receive(net, socket) == (b"data", True)
    send(net, socket, b"x")
    assert socket in net.wait(0)
    assert raises(OSError, net.send, socket, b"x", 0).errno == errno.ECONNRESET
    assert client.received == b"answer"


def test_a_reset_by_the_client_loses_what_was_not_received():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"data")
    client.reset()
    net.watch(socket, False, False)
    assert socket in net.wait(0)  # as epoll does
    raises(OSError, net.recv_into, socket, bytearray(10))


def test_close_after_all_was_received_ends_the_clients_stream():
    net = FakeNetwork()
    client, socket = open_pair(net)
    send(net, socket, b"answer")
    net.close(socket)
    assert client.state == "ended" and client.received == b"answer" and net.sockets == []


def test_close_with_unread_input_resets_and_loses_the_answer():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"a long request")
    send(net, socket, b"refused")
    net.close(socket)
    assert client.state == "reset" and client.received == b""


def test_what_the_client_sends_after_close_loses_the_answer_too():
    net = FakeNetwork()
    client, socket = open_pair(net)
    send(net, socket, b"refused")
    net.close(socket)
    client.send(b"more of the request")
    assert client.state == "reset" and client.received == b""


def test_a_lingering_close_delivers_the_answer():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"a long")
    client.send_later(50, b" request")
    net.at(60, client.shutdown)
    send(net, socket, b"refused")
    net.shut(socket)
    assert client.state == "ended"
    while not receive(net, socket)[1]:
        net.wait(1_000)
    net.close(socket)
    assert client.state == "ended" and client.received == b"refused"


def test_what_the_client_has_read_is_not_lost():
    net = FakeNetwork()
    client, socket = open_pair(net)
    client.send(b"unread")
    send(net, socket, b"first")
    assert client.received == b"first"
    send(net, socket, b"second")
    net.close(socket)
    assert client.state == "reset" and client.received == b"first"


def test_read_takes_what_has_come():
    net = FakeNetwork()
    client, socket = open_pair(net)
    send(net, socket, b"one")
    assert client.read() == b"one"
    send(net, socket, b"two")
    assert client.read() == b"two" and client.received == b""


def test_a_window_stops_send_until_it_opens():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.window = 5
    net.watch(socket, False, True)
    assert net.send(socket, b"1234567", 0) == 5
    assert net.send(socket, b"1234567", 5) is None and net.wait(0) == []
    net.at(100, lambda: setattr(client, "window", 1))
    assert net.wait(1_000) == [socket] and net.now == 100
    assert net.send(socket, b"1234567", 5) == 1
    client.window = None
    assert net.send(socket, b"1234567", 6) == 1 and client.received == b"1234567"


# -- listeners and ports --------------------------------------------------------------------------------------


def test_port_0_is_another_each_time():
    net = FakeNetwork()
    assert len({net.local_port(net.listen(0, "", 1)) for _ in range(3)}) == 3


def test_the_backlog_is_bounded():
    net = FakeNetwork()
    net.listen(80, "", 2)
    clients = [net.connect() for _ in range(3)]
    assert [client.state for client in clients] == ["connecting", "connecting", "refused"]
    assert net.connect(81).state == "refused"


def test_a_closed_listener_resets_those_who_wait():
    net = FakeNetwork()
    listener = net.listen(80, "", 2)
    client = net.connect()
    net.close(listener)
    assert client.state == "reset" and net.listeners == [] and net.connect().state == "refused"


def test_accept_raises_while_no_socket_is_to_spare():
    net = FakeNetwork(harsh=False, sockets=1)
    listener = net.listen(80, "", 5)
    net.watch(listener, True, False)
    first, second = net.connect(), net.connect()
    socket, peer = net.accept(listener)
    assert peer == first.peer
    raises(OSError, net.accept, listener)
    assert net.wait(0) == [listener]
    net.close(socket)
    assert net.accept(listener)[1] == second.peer


def test_a_client_that_leaves_before_accept():
    passed_over = dead = 0
    for seed in range(40):
        net = FakeNetwork(seed)
        listener = net.listen(80, "", 5)
        gone, here = net.connect(), net.connect()
        gone.reset()
        peers = [accepted[1] for accepted in [net.accept(listener) for _ in range(20)] if accepted]
        assert peers == [here.peer] or peers == [gone.peer, here.peer]
        passed_over += len(peers) == 1
        dead += len(peers) == 2
    assert passed_over and dead


# -- faults -----------------------------------------------------------------------------------------


def test_the_nth_call_fails_as_told():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send(b"data")
    assert net.recv_into(socket, bytearray(1)) == 1
    net.fail("recv_into", 2, None)
    net.fail("send", 1, OSError(errno.ETIMEDOUT, "timed out"))
    assert net.recv_into(socket, bytearray(1)) == 1
    assert net.recv_into(socket, bytearray(1)) is None
    assert net.recv_into(socket, bytearray(1)) == 1
    assert raises(OSError, net.send, socket, b"x", 0).errno == errno.ETIMEDOUT
    assert client.state == "reset"


def test_an_end_of_stream_can_be_forced():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.send(b"data")
    net.fail("recv_into", 1, 0)
    assert net.recv_into(socket, bytearray(9)) == 0 == net.recv_into(socket, bytearray(9))


def test_any_operation_can_fail():
    net = FakeNetwork()
    for operation, arguments in (("listen", (80, "", 1)), ("up", (0,)), ("wait", (0,))):
        net.fail(operation, 1, OSError("fault"))
        assert str(raises(OSError, getattr(net, operation), *arguments)) == "fault"
        getattr(net, operation)(*arguments)


def test_calls_are_counted():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    send(net, socket, b"x")
    assert net.calls == {"listen": 1, "accept": 1, "watch": 1, "send": 1}


# -- link -------------------------------------------------------------------------------------------


def test_a_lost_link_ends_all_sockets_for_ever():
    net = FakeNetwork(harsh=False)
    listener = net.listen(80, "", 5)
    net.watch(listener, True, False)
    client = net.connect()
    socket, _ = net.accept(listener)
    net.watch(socket, True, False)
    waiting = net.connect()
    net.lose_link()
    assert net.status() == "down" and net.address() is None
    assert client.state == waiting.state == "reset" and net.connect().state == "refused"
    net.restore_link()
    assert net.status() == "down"
    net.up(10_000)
    assert net.status() == "up" and net.address() == "192.0.2.1"
    assert net.wait(0) == [listener, socket]
    raises(OSError, net.accept, listener)
    raises(OSError, net.recv_into, socket, bytearray(9))
    assert raises(OSError, net.listen, 80, "", 5).errno == errno.EADDRINUSE
    net.close(listener)
    net.listen(80, "", 5)


def test_up_fails_in_time_while_the_network_is_out_of_reach():
    net = FakeNetwork()
    net.lose_link()
    net.up(0)
    assert net.status() == "down" and net.now == 0
    raises(OSError, net.up, 500)
    assert net.now == 500
    raises(OSError, net.listen, 80, "", 5)


def test_up_takes_its_time():
    net = FakeNetwork()
    net.down()
    net.up(0)
    assert net.status() == "connecting" and net.address() is None
    raises(OSError, net.up, 100)
    net.up(10_000)
    assert net.status() == "up" and net.now < 1_000


# -- strictness -------------------------------------------------------------------------------------


def test_what_was_not_taken_is_to_be_sent_next():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.window = 0
    assert net.send(socket, b".abc", 1) is None
    client.window = None
    assert refuses(net, net.send, socket, b"xbc", 0)
    assert refuses(net, net.send, socket, b"ab", 0)
    assert net.send(socket, b"..abcd", 2) == 4
    assert net.send(socket, b"x", 0) == 1


def test_misuse_is_an_assertion_error():
    net = FakeNetwork(harsh=False)
    _, socket = open_pair(net)
    (listener,) = net.listeners
    assert refuses(net, net.send, socket, b"", 0)
    assert refuses(net, net.send, socket, b"abc", 3)
    assert refuses(net, net.send, socket, "abc", 0)
    assert refuses(net, net.recv_into, socket, bytearray())
    assert refuses(net, net.recv_into, socket, b"abc")
    assert refuses(net, net.listen, 70_000, "", 5)
    assert refuses(net, net.listen, 80, "", 0)
    assert refuses(net, net.wait, -1)
    assert refuses(net, net.ticks_diff, 2**29, 0)
    net.shut(socket)
    assert refuses(net, net.send, socket, b"x", 0)
    net.close(socket)
    net.close(socket)
    assert refuses(net, net.send, socket, b"x", 0)
    assert refuses(net, net.recv_into, socket, bytearray(1))
    assert refuses(net, net.watch, socket, True, False)
    assert refuses(net, net.shut, socket)
    net.close(listener)
    assert refuses(net, net.accept, listener)
    assert refuses(net, net.local_port, listener)
    assert net.wait(0) == []


def test_a_failed_socket_is_only_good_for_closing():
    net = FakeNetwork(harsh=False)
    client, socket = open_pair(net)
    client.reset()
    raises(OSError, net.recv_into, socket, bytearray(1))
    assert refuses(net, net.recv_into, socket, bytearray(1))
    assert refuses(net, net.send, socket, b"x", 0)
    net.shut(socket)
    net.close(socket)
    assert net.wait(0) == []
