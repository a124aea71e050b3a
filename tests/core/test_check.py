"""The conformance kit over sound networks, and what it says of others."""

import webhal.testing.promises as promises  # first: to compile the largest file takes the most memory
from webhal.testing.check import check_network
from webhal.testing.fake import FakeNetwork


class Fake(FakeNetwork):
    """A sound network; its clock wraps during the first wait."""

    limits = {"connections": 4, "deadlines": (5, 10, 2, 10)}

    def __init__(self, seed=1, harsh=True):
        super().__init__(seed, harsh)
        self.advance(4_990)
        self.set_time(1_800_000_000)


def connect(net, host, port):
    return net.connect(port)


def exhaust(net):
    net.limit = 0

    def relieve():
        net.limit = 100

    return relieve


def lose_link(net):
    net.lose_link()
    return net.restore_link


def check_fake(make_network):
    return check_network(make_network, connect, exhaust=exhaust, lose_link=lose_link, late_ms=0)


def test_a_fake_keeps_all_promises_whatever_the_seed():
    for seed in range(10):
        kept = check_fake(lambda: Fake(seed))  # noqa: B023
        assert kept == len(promises.PROMISES) - 2  # a fake has neither fileno nor sendfile


def test_a_tame_fake_keeps_all_promises():
    check_fake(lambda: Fake(harsh=False))


def test_a_network_that_can_neither_poll_nor_shut_one_side_keeps_all_promises():
    class Poor(Fake):
        def wait(self, timeout_ms):
            super().wait(timeout_ms)
            return [socket for socket in self.listeners + self.sockets if socket.read or socket.write]

        def shut(self, socket):
            pass

    check_fake(Poor)


def test_the_package_names_what_it_has_and_nothing_else():
    from webhal import testing

    assert testing.FakeNetwork is FakeNetwork and testing.check_network is check_network
    assert not hasattr(testing, "check_nothing")


def test_what_is_broken_is_named_and_the_rest_is_still_tested():
    class Broken(Fake):
        def address(self):
            return None

        def shut(self, socket):
            raise OSError("cannot")

    try:
        check_fake(Broken)
    except AssertionError as error:
        names = str(error)
    assert names.startswith("broken: status, address: ") and names.count(";") == 2 and "; shut: " in names
