"""A server on a board goes on answering, whatever clients, the web workflow, WiFi and reloads do to it.

Everything over the fake network, and what a stand-in might get wrong over real sockets too.
"""

import sys

from standin import FLAVOURS, Board

from webhal.testing.fake import FakeNetwork

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MOST_STEPS = 20_000


class Serving:
    """A server on `board`, on port 80."""

    def __init__(self, board):
        from webhal.app import App
        from webhal.server import Server

        self.board = board
        self.links = []
        app = App()
        app.on("link")(self.links.append)
        app.get("/")(lambda request: "hello")
        app.get("/long")(lambda request: "x" * 20000)
        self.server = Server(app, board.network())
        self.server.open()

    def until(self, done, most_ms=60000):
        """Step until `done()`."""
        network = self.server.network
        start = network.ticks_ms()
        for _ in range(MOST_STEPS):
            if done():
                return
            self.server.step(100 if self.board.virtual else 10)
            if network.ticks_diff(network.ticks_ms(), start) > most_ms:
                break
        raise AssertionError("it does not happen")

    def steps(self, count):
        for _ in range(count):
            self.server.step(10)

    def answers(self, within_ms=200):
        """A new client gets an answer, and soon."""
        client = Visitor(self.board)
        client.ask()
        self.until(client.answered, within_ms + (0 if self.board.virtual else 5000))
        client.close()


class Visitor:
    """A client of port 80, of the fake network or of this machine."""

    def __init__(self, board):
        self.client = board.client(80)
        self.got = b""

    def ask(self, request=GET):
        self.client.send(request)

    def read(self):
        self.got += self.client.read()
        return self.got

    def answered(self):
        return self.read()[-9:] == b"\r\n\r\nhello"

    def close(self):
        self.client.close()


def everywhere(function, wires=(False, True)):
    """Make tests of a function that gets a Board: both flavours, with and without poll(), fake and real sockets."""
    for flavour in FLAVOURS:
        for poll in (True, False):
            for real in wires:

                def test(flavour=flavour, poll=poll, real=real):
                    with Board(flavour, None if real else FakeNetwork(harsh=False), poll=poll) as board:
                        board.virtual = not real
                        function(board)

                name = "test_%s_on_%s%s%s" % (
                    function.__name__,
                    flavour,
                    "" if poll else "_without_poll",
                    "_over_real_sockets" if real else "",
                )
                setattr(sys.modules[__name__], name, test)
    return function


@everywhere
def a_request_is_answered(board):
    serving = Serving(board)
    serving.answers()
    for _ in range(3):  # one connection, several requests
        visitor = Visitor(board)
        for _ in range(3):
            visitor.got = b""
            visitor.ask()
            serving.until(visitor.answered)
        visitor.close()


@everywhere
def a_long_answer_arrives(board):
    serving = Serving(board)
    visitor = Visitor(board)
    visitor.ask(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    serving.until(lambda: visitor.read()[-20000:] == b"x" * 20000)


@everywhere
def a_browsers_silent_extra_connection_keeps_nobody_waiting(board):
    serving = Serving(board)
    silent = Visitor(board)
    serving.answers()
    serving.answers()
    assert silent.client.state in ("open", "connecting")


@everywhere
def clients_that_connect_and_close_are_forgotten(board):
    serving = Serving(board)
    for _ in range(20):
        Visitor(board).close()
        serving.steps(2)
    serving.answers()
    serving.until(lambda: not serving.server.slots)
    assert len(board.sockets) == 1


@everywhere
def clients_that_reset_are_forgotten(board):
    serving = Serving(board)
    for _ in range(20):
        visitor = Visitor(board)
        serving.steps(2)
        visitor.client.reset()
        serving.steps(2)
    serving.answers()
    serving.until(lambda: not serving.server.slots)
    assert len(board.sockets) == 1


@everywhere
def more_clients_than_sockets_are_all_answered(board):
    serving = Serving(board)
    visitors = [Visitor(board) for _ in range(6)]
    serving.steps(5)
    visitors += [Visitor(board) for _ in range(6)]
    for visitor in visitors:
        visitor.ask()
    serving.until(lambda: all([visitor.answered() for visitor in visitors]))
    serving.answers(1500)


@everywhere
def eight_sockets_used_up_by_silent_clients_keep_nobody_waiting_for_long(board):
    serving = Serving(board)
    silent = []
    for _ in range(8):
        silent.append(Visitor(board))
        serving.steps(2)
    serving.answers(1500)
    serving.answers(1500)
    assert len(silent) == 8


@everywhere
def the_web_workflow_may_take_two_sockets_at_any_time(board):
    serving = Serving(board)
    keeping = []
    for workflow in (1, 2, 1, 2, 0, 2):
        board.workflow = workflow
        for _ in range(4):
            visitor = Visitor(board)
            visitor.ask()
            serving.until(visitor.answered)
            keeping.append(visitor)  # which keep their connections open
        assert len(board.sockets) + workflow <= 8
    serving.answers(1500)


@everywhere
def a_reload_with_a_connection_open_is_survived(board):
    serving = Serving(board)
    visitor = Visitor(board)
    visitor.ask()
    serving.until(visitor.answered)
    board.reload()
    serving = Serving(board)
    serving.answers()
    assert visitor.read() == visitor.got and visitor.client.state != "open"


def everywhere_in_virtual_time(function):
    return everywhere(function, (False,))


@everywhere_in_virtual_time
def a_lost_network_is_joined_again(board):
    serving = Serving(board)
    visitor = Visitor(board)
    visitor.ask()
    serving.until(visitor.answered)
    restore = board.lose_link()
    serving.until(lambda: serving.links == ["down"])
    assert not board.sockets
    attempts = len(board.radio.attempts)
    serving.until(lambda: len(board.radio.attempts) == attempts + 4)
    restore()
    serving.until(lambda: serving.links == ["down", "up"])
    serving.answers()


def test_a_board_with_version_8_answers():
    for flavour in FLAVOURS:
        for poll in (True, False):
            with Board(flavour, FakeNetwork(harsh=False), version=8, poll=poll) as board:
                board.virtual = True
                Serving(board).answers()


def test_the_server_waits_in_sleep_not_in_a_spin():
    for flavour in FLAVOURS:
        with Board(flavour, FakeNetwork(harsh=False)) as board:
            board.virtual = True
            serving = Serving(board)
            serving.answers()
            board.calls.clear()
            start = board.wire.now
            steps = 0
            while board.wire.now - start < 10_000:
                serving.server.step(500)
                steps += 1
            assert steps <= 10_000 // 50 + 1, steps
            if board.espressif:
                assert steps <= 40, steps
                assert board.calls.get("accept", 0) == 0
