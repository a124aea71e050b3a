"""Every promise's test over a network that breaks the promise: there is one, and it is caught."""

import webhal.testing.promises as promises  # first: to compile the largest file takes the most memory
from webhal.testing.check import Bench
from webhal.testing.fake import FakeNetwork


class Fake(FakeNetwork):
    """A sound network; its clock wraps during the first wait."""

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


MUTANTS = []  # (the test that must catch it, the network)


def breaks(test):
    def add(mutant):
        MUTANTS.append((test, mutant))
        return mutant

    return add


def test_every_promise_has_a_network_that_breaks_it():
    broken = [test for test, _ in MUTANTS]
    for text, test in promises.PROMISES:
        # Those two: tests/cpython/test_network.py.
        assert test in broken or test in (promises.descriptor, promises.file_sent), text


def test_every_broken_promise_is_caught_by_its_test():
    for test, mutant in MUTANTS:
        assert not passes(test, mutant), mutant.__name__


def passes(test, network):
    bench = Bench(network(), connect, "127.0.0.1", exhaust, lose_link, 0)
    try:
        test(bench)
    except (AssertionError, OSError, TypeError):
        assert not bench.net.misuse, bench.net.misuse  # caught by the kit, not by the fake
        return False
    return True


@breaks(promises.up_is_idempotent)
class UpJoinsAgain(Fake):
    def up(self, timeout_ms):
        self._drop()
        super().up(timeout_ms)


@breaks(promises.up_is_idempotent)
class UpWaits(Fake):
    def up(self, timeout_ms):
        super().up(timeout_ms)
        self.advance(1)


@breaks(promises.up_fails)
class UpFailsSilently(Fake):
    def up(self, timeout_ms):
        try:
            super().up(timeout_ms)
        except OSError:
            pass


@breaks(promises.up_fails)
class UpFailsWithANumber(Fake):
    def up(self, timeout_ms):
        try:
            super().up(timeout_ms)
        except OSError:
            raise OSError(19) from None


@breaks(promises.up_fails)
class UpFailsLate(Fake):
    def up(self, timeout_ms):
        super().up(timeout_ms and timeout_ms + 1)


@breaks(promises.up_begins)
class UpZeroWaits(Fake):
    def up(self, timeout_ms):
        super().up(timeout_ms or 10_000)


@breaks(promises.up_begins)
class UpZeroDoesNothing(Fake):
    def up(self, timeout_ms):
        if timeout_ms:
            super().up(timeout_ms)


@breaks(promises.down_is_idempotent)
class DownTwiceRaises(Fake):
    def down(self):
        if self.status() == "down":
            raise OSError("not up")
        super().down()


@breaks(promises.down_is_idempotent)
class DownForEver(Fake):
    def up(self, timeout_ms):
        pass


@breaks(promises.status_and_address)
class AddressWhileDown(Fake):
    def address(self):
        return "0.0.0.0"


@breaks(promises.status_and_address)
class NoAddressWhileUp(Fake):
    def address(self):
        return None


@breaks(promises.status_and_address)
class StatusAsNumber(Fake):
    def status(self):
        return 5


@breaks(promises.listen_anywhere)
class LocalPortZero(Fake):
    def local_port(self, listener):
        return 0


@breaks(promises.listen_anywhere)
class LocalPortWrong(Fake):
    def local_port(self, listener):
        return super().local_port(listener) + 1


@breaks(promises.listen_here)
class PortIgnored(Fake):
    def listen(self, port, host, backlog):
        return super().listen(port and port + 1, host, backlog)


@breaks(promises.listen_everywhere)
class NoEmptyHost(Fake):
    def listen(self, port, host, backlog):
        if not host:
            raise OSError("no such host")
        return super().listen(port, host, backlog)


@breaks(promises.listen_taken)
class TakenIsShared(Fake):
    def listen(self, port, host, backlog):
        for listener in self.listeners:
            if listener.port == port:
                return listener
        return super().listen(port, host, backlog)


@breaks(promises.listen_taken)
class TakenWithoutErrno(Fake):
    def listen(self, port, host, backlog):
        try:
            return super().listen(port, host, backlog)
        except OSError:
            raise OSError("address in use") from None


@breaks(promises.accept_none)
class AcceptRaisesForNone(Fake):
    def accept(self, listener):
        accepted = super().accept(listener)
        if not accepted:
            raise OSError("try again")
        return accepted


@breaks(promises.accept_none)
class AcceptRepeats(Fake):
    last = None

    def accept(self, listener):
        self.last = super().accept(listener) or self.last
        return self.last


@breaks(promises.accept_peer)
class PeerWithoutPort(Fake):
    def accept(self, listener):
        accepted = super().accept(listener)
        return accepted and (accepted[0], accepted[1][0])


@breaks(promises.accept_peer)
class PeerIsOther(Fake):
    def accept(self, listener):
        accepted = super().accept(listener)
        return accepted and (accepted[0], ("192.0.2.1", accepted[1][1]))


@breaks(promises.accept_each)
class AcceptLosesOne(Fake):
    def accept(self, listener):
        if len(listener.waiting) == 2:
            listener.waiting.pop()
        return super().accept(listener)


@breaks(promises.accept_gone)
class AcceptStopsAtGone(Fake):
    def accept(self, listener):
        if listener.waiting and listener.waiting[0].socket.broken:
            raise OSError("connection aborted")
        return super().accept(listener)


@breaks(promises.accept_exhausted)
class ExhaustedIsNone(Fake):
    def accept(self, listener):
        return super().accept(listener) if self.limit else None


@breaks(promises.accept_exhausted)
class ExhaustedEndsListener(Fake):
    def accept(self, listener):
        try:
            return super().accept(listener)
        except OSError:
            listener.broken = True
            raise


@breaks(promises.nothing_waits)
class AcceptWaits(Fake):
    def accept(self, listener):
        self.advance(1)
        return super().accept(listener)


@breaks(promises.nothing_waits)
class RecvWaits(Fake):
    def recv_into(self, socket, buffer):
        self.advance(1)
        return super().recv_into(socket, buffer)


@breaks(promises.nothing_waits)
class SendWaits(Fake):
    def send(self, socket, data, start):
        self.advance(1)
        return super().send(socket, data, start)


@breaks(promises.recv_into_start)
class RecvElsewhere(Fake):
    def recv_into(self, socket, buffer):
        n = super().recv_into(socket, buffer)
        if n:
            buffer[1:] = bytes(buffer[:-1])
        return n


@breaks(promises.recv_into_start)
class RecvIntoCopy(Fake):
    def recv_into(self, socket, buffer):
        return super().recv_into(socket, bytearray(len(buffer)))


@breaks(promises.recv_all)
class RecvLosesBytes(Fake):
    def recv_into(self, socket, buffer):
        n = super().recv_into(socket, buffer)
        socket.inbox = socket.inbox[1:]
        return n


@breaks(promises.recv_none)
class RecvRaisesForNone(Fake):
    def recv_into(self, socket, buffer):
        n = super().recv_into(socket, buffer)
        if n is None:
            raise OSError("try again")
        return n


@breaks(promises.recv_none)
class RecvZeroForNone(Fake):
    def recv_into(self, socket, buffer):
        return super().recv_into(socket, buffer) or 0


@breaks(promises.recv_end)
class EndIsNone(Fake):
    def recv_into(self, socket, buffer):
        return super().recv_into(socket, buffer) or None


@breaks(promises.recv_end)
class EndOnceThenError(Fake):
    def recv_into(self, socket, buffer):
        n = super().recv_into(socket, buffer)
        socket.broken = n == 0
        return n


@breaks(promises.recv_end)
class EndTooEarly(Fake):
    def recv_into(self, socket, buffer):
        if socket.ended:
            socket.inbox = bytearray()
        return super().recv_into(socket, buffer)


@breaks(promises.recv_reset)
class ResetIsEnd(Fake):
    def recv_into(self, socket, buffer):
        return 0 if socket.broken else super().recv_into(socket, buffer)


@breaks(promises.recv_reset)
class ResetIsNone(Fake):
    def recv_into(self, socket, buffer):
        return None if socket.broken else super().recv_into(socket, buffer)


@breaks(promises.send_start)
class StartIgnored(Fake):
    def send(self, socket, data, start):
        return super().send(socket, data, 0)


@breaks(promises.send_start)
class NoMemoryview(Fake):
    def send(self, socket, data, start):
        if isinstance(data, memoryview):
            raise TypeError("bytes expected")
        return super().send(socket, data, start)


@breaks(promises.send_none)
class FullIsZero(Fake):
    def send(self, socket, data, start):
        return super().send(socket, data, start) or 0


@breaks(promises.send_none)
class FullRaises(Fake):
    def send(self, socket, data, start):
        if socket.client.window == 0:
            raise OSError("try again")
        return super().send(socket, data, start)


@breaks(promises.send_none)
class FullWaits(Fake):
    def send(self, socket, data, start):
        if socket.client.window == 0:
            self.advance(10_000)
        return super().send(socket, data, start)


@breaks(promises.send_none)
class FullLoses(Fake):
    def send(self, socket, data, start):
        if socket.client.window == 0:
            return len(data) - start
        return super().send(socket, data, start)


@breaks(promises.send_none)
class ClaimsTooMuch(Fake):
    def send(self, socket, data, start):
        return super().send(socket, data, start) and len(data) - start


@breaks(promises.send_none)
class RoomIsNotReported(Fake):
    full = False

    def send(self, socket, data, start):
        self.full = self.full or socket.client.window == 0
        return super().send(socket, data, start)

    def wait(self, timeout_ms):
        return [] if super().wait(timeout_ms) and self.full else self._reported


@breaks(promises.send_reset)
class SendIgnoresReset(Fake):
    def send(self, socket, data, start):
        return len(data) if socket.broken else super().send(socket, data, start)


@breaks(promises.close_again)
class CloseOnce(Fake):
    def close(self, socket):
        if socket.closed:
            raise OSError("bad descriptor")
        super().close(socket)


@breaks(promises.close_again)
class CloseTellsOfFailure(Fake):
    def close(self, socket):
        broken = socket.broken
        super().close(socket)
        if broken:
            raise OSError("connection reset")


@breaks(promises.close_listener)
class ListenerStays(Fake):
    def close(self, socket):
        if socket not in self.listeners:
            super().close(socket)


@breaks(promises.close_delivers)
class CloseResets(Fake):
    def close(self, socket):
        if socket in self.sockets:
            socket.broken = True
        super().close(socket)


@breaks(promises.close_forgets)
class ClosedIsReported(Fake):
    ghost = None

    def close(self, socket):
        if socket in self.sockets and socket.read:
            self.ghost = socket
        super().close(socket)

    def wait(self, timeout_ms):
        reported = super().wait(timeout_ms)
        return [self.ghost] if self.ghost else reported


@breaks(promises.close_forgets)
class WatchIsInherited(Fake):
    watched = False

    def close(self, socket):
        self.watched = self.watched or socket.write
        super().close(socket)

    def accept(self, listener):
        accepted = super().accept(listener)
        if accepted:
            self.watch(accepted[0], self.watched, False)
        return accepted


@breaks(promises.shut_one_side)
class ShutRaises(Fake):
    def shut(self, socket):
        if socket.broken:
            raise OSError("not connected")
        super().shut(socket)


@breaks(promises.shut_one_side)
class ShutEndsBothSides(Fake):
    def recv_into(self, socket, buffer):
        return 0 if socket.shut else super().recv_into(socket, buffer)


@breaks(promises.shut_one_side)
class ShutDrops(Fake):
    def shut(self, socket):
        socket.client._end("reset")
        super().shut(socket)


@breaks(promises.watch_new)
class NewIsWatched(Fake):
    def accept(self, listener):
        accepted = super().accept(listener)
        if accepted:
            self.watch(accepted[0], True, False)
        return accepted


@breaks(promises.watch_read)
class ListenerIsNotReported(Fake):
    def wait(self, timeout_ms):
        return [socket for socket in super().wait(timeout_ms) if socket in self.sockets]


@breaks(promises.watch_read)
class DataIsNotReported(Fake):
    def wait(self, timeout_ms):
        return [socket for socket in super().wait(timeout_ms) if socket in self.listeners or not socket.inbox]


@breaks(promises.watch_read)
class EndIsNotReported(Fake):
    def wait(self, timeout_ms):
        return [socket for socket in super().wait(timeout_ms) if socket in self.listeners or not socket.ended]


@breaks(promises.watch_write)
class RoomIsUnwatched(Fake):
    def watch(self, socket, read, write):
        super().watch(socket, read, False)


@breaks(promises.watch_replaces)
class WatchAdds(Fake):
    def watch(self, socket, read, write):
        super().watch(socket, read or socket.read, write or socket.write)


@breaks(promises.watch_nothing)
class NothingIsIgnored(Fake):
    def watch(self, socket, read, write):
        if read or write:
            super().watch(socket, read, write)


@breaks(promises.wait_failed)
class FailureIsNotReported(Fake):
    def wait(self, timeout_ms):
        return [socket for socket in super().wait(timeout_ms) if not socket.broken]


@breaks(promises.wait_in_time)
class WaitIsLate(Fake):
    def wait(self, timeout_ms):
        reported = super().wait(timeout_ms)
        self.advance(2)
        return reported


@breaks(promises.wait_levels)
class WaitHasEdges(Fake):
    before = ()

    def wait(self, timeout_ms):
        now = super().wait(timeout_ms)
        fresh = [socket for socket in now if socket not in self.before]
        self.before = tuple(now)
        return fresh


@breaks(promises.wait_levels)
class ReportsTwice(Fake):
    def wait(self, timeout_ms):
        reported = super().wait(timeout_ms)
        return reported + [socket for socket in reported if socket.read and socket.write]


@breaks(promises.wait_own)
class ReportsClients(Fake):
    def wait(self, timeout_ms):
        reported = super().wait(timeout_ms)
        return reported + [socket.client for socket in reported if socket in self.sockets]


@breaks(promises.clock)
class TicksAreSubtracted(Fake):
    def ticks_diff(self, later, earlier):
        return later - earlier


@breaks(promises.clock)
class TimeStandsStill(Fake):
    def ticks_ms(self):
        return 1


@breaks(promises.clock)
class TicksAreSeconds(Fake):
    def ticks_ms(self):
        return super().ticks_ms() // 1000


@breaks(promises.clock)
class TicksGoBack(Fake):
    def ticks_diff(self, later, earlier):
        return -super().ticks_diff(later, earlier)


@breaks(promises.limits_named)
class LimitsOfAnother(Fake):
    limits = {"connections": 4, "sockets": 4}


@breaks(promises.limits_named)
class LimitsOfNothing(Fake):
    limits = {"deadlines": (5, 10, 2, 0)}


@breaks(promises.calendar)
class TimeSince2000(Fake):
    def set_time(self, seconds):
        super().set_time(seconds - 946_684_800 - 315_360_000)
