"""The port's network on a clock that jumps instead of waiting, over the real sockets of the unix port."""

import time

import network as board

from webhal_micropython.network import Network


class VirtualNetwork(Network):
    ahead = 0  # ms

    def ticks_ms(self):
        return time.ticks_add(time.ticks_ms(), self.ahead)

    def wait(self, timeout_ms):
        ready = super().wait(0)
        if not ready:
            self.ahead += timeout_ms
        return ready


def start(chip, **settings):
    """A network on a board with that chip and `home` in the air."""
    board.become(chip)
    board.air["home"] = {"password": "secret 12"}
    port = VirtualNetwork(**settings)
    board.clock = port.ticks_ms
    return port


def failure(port, timeout_ms=30_000):
    """The words of the OSError that `up` raises."""
    try:
        port.up(timeout_ms)
    except OSError as error:
        assert isinstance(error.args[0], str), repr(error)
        return error.args[0]
    raise AssertionError("no OSError")
