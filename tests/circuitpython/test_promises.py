"""The conformance kit over the port: both chip families, with and without poll(), over real sockets and the fake."""

from standin import FLAVOURS, Board

from webhal.testing.fake import FakeNetwork


def check(board, **options):
    from webhal.testing.check import check_network

    network = board.network()

    def exhaust(network):
        board.workflow = 8 - len(board.sockets)

        def relieve():
            board.workflow = 0

        return relieve

    kept = check_network(
        lambda: network,
        lambda network, host, port: board.client(port),
        exhaust=exhaust,
        lose_link=lambda network: board.lose_link(),
        **options,
    )
    from webhal.testing.promises import PROMISES

    assert kept == len(PROMISES) - 2, kept  # there is neither fileno nor sendfile


def test_all_promises_are_kept_over_real_sockets():
    for flavour in FLAVOURS:
        for poll in (True, False):
            print("--", flavour, "with poll" if poll else "without poll")
            with Board(flavour, poll=poll) as board:
                check(board)


def test_all_promises_are_kept_over_the_fake_network():
    for flavour in FLAVOURS:
        for poll in (True, False):
            for seed in range(5):
                print("--", flavour, "with poll" if poll else "without poll", seed)
                with Board(flavour, FakeNetwork(seed), poll=poll) as board:
                    check(board, late_ms=50)
