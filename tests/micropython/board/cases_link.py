"""Joining WiFi, being an access point, and Ethernet, on boards of three chips. Runs on MicroPython."""

import builtins
import sys

import network as board
from virtual import failure, start

from webhal_micropython.wifi import mdns_name

CHIPS = ("esp8266", "esp32", "rp2")
HOME = {"ssid": "home", "password": "secret 12"}


def test_joins():
    for chip in CHIPS:
        port = start(chip, **HOME)
        assert port.status() == "down" and port.address() is None
        port.up(30_000)
        assert port.status() == "up", chip
        assert port.address() == board.ADDRESS
        port.up(30_000)
        assert [entry for entry in board.log if entry[0] == "connect"] == [("connect", "home")]
        port.down()
        assert port.status() == "down" and port.address() is None
        assert not board.WLAN(board.STA_IF).active()
        port.up(30_000)
        assert port.status() == "up", chip


def test_begins_without_waiting():
    for chip in CHIPS:
        port = start(chip, **HOME)
        port.up(0)
        assert port.status() == "connecting" and port.ahead == 0
        while port.status() != "up":
            port.wait(100)
        assert port.ahead <= board.ASSOCIATE_MS + 100


def test_what_joins_is_forgotten():
    port = start("esp32", **HOME)
    port.up(30_000)
    package = sys.modules["webhal_micropython"]
    for name in ("link", "settings", "wifi"):
        assert "webhal_micropython." + name not in sys.modules
        assert name not in package.__dict__


def test_wrong_password():
    for chip in CHIPS:
        port = start(chip, ssid="home", password="secret 21")
        assert failure(port).startswith("WiFi home: the password is wrong; write"), chip
        assert port.ahead < 30_000 or chip == "esp8266"  # whose status shows it now and then
        assert port.status() != "up" and port.address() is None


def test_wrong_password_that_shows_as_silence():
    port = start("esp32", ssid="home", password="secret 21")
    board.WLAN(board.STA_IF).handshake = True
    assert "the password may be wrong" in failure(port)


def test_no_such_network():
    for chip in CHIPS:
        port = start(chip, ssid="hime", password="secret 12")
        assert failure(port).startswith("WiFi hime: no such network is in reach"), chip


def test_every_failure_of_every_chip_has_its_words():
    for chip, most in (("esp8266", 3), ("esp32", 6), ("rp2", 3)):
        start(chip)
        words = set()
        for name in list(board.__dict__):
            if name.startswith("STAT_NO_AP_FOUND") or name in ("STAT_WRONG_PASSWORD", "STAT_CONNECT_FAIL"):
                port = start(chip, **HOME)
                board.WLAN(board.STA_IF).status = lambda name=name: getattr(board, name)
                words.add(failure(port, 2_000))
        assert len(words) == most and not [each for each in words if "no address" in each], words


def test_a_driver_without_names_for_what_it_says():
    """As that of the Nina module: its status is True or False."""
    for answer in (None, False):
        port = start("esp32", **HOME)
        for name in [name for name in board.__dict__ if name.startswith("STAT_")]:
            delattr(board, name)
        board.WLAN(board.STA_IF).status = lambda answer=answer: answer
        board.air["home"]["dhcp"] = False
        assert failure(port).startswith("WiFi home: no address"), answer
        board.air["home"]["dhcp"] = True
        port.up(30_000)
        assert port.status() == "up"


def test_no_address():
    for chip in CHIPS:
        port = start(chip, **HOME)
        board.air["home"]["dhcp"] = False
        assert "there is no DHCP server" in failure(port), chip


def test_waits_no_longer_than_told():
    for chip in CHIPS:
        for timeout_ms in (1_000, 7_000, 60_000):
            port = start(chip, ssid="hime")
            failure(port, timeout_ms)
            assert timeout_ms <= port.ahead <= timeout_ms + 200, (chip, timeout_ms, port.ahead)


def test_a_network_that_comes_late():
    for chip in CHIPS:
        port = start(chip, **HOME)
        late = board.air.pop("home")
        try:
            port.up(20_000)
        except OSError:
            pass
        board.air["home"] = late
        port.up(20_000)
        assert port.status() == "up", chip


def test_tried_again_from_the_start():
    """As an application does that calls run() until it does not raise."""
    for chip in CHIPS:
        port = start(chip, **HOME)
        late = board.air.pop("home")
        failure(port)
        board.air["home"] = late
        again = type(port)(**HOME)
        again.ahead = port.ahead
        board.clock = again.ticks_ms
        again.up(30_000)
        assert again.status() == "up", chip


def test_a_network_that_comes_while_waiting():
    for chip in CHIPS:
        port = start(chip, **HOME)
        port.wait = until(port, 12_000, "home", board.air.pop("home"))
        port.up(30_000)
        assert port.status() == "up", chip


def test_a_network_that_is_slow_to_join():
    for chip in CHIPS:
        port = start(chip, **HOME)
        board.ASSOCIATE_MS, usual = 8_000, board.ASSOCIATE_MS
        port.wait = until(port, 20_000, "home", board.air.pop("home"))
        try:
            port.up(60_000)
        finally:
            board.ASSOCIATE_MS = usual
        assert port.status() == "up", chip


def until(port, when_ms, ssid, late):
    """A `wait` that meanwhile puts a network into the air."""
    wait = port.wait

    def wait_and_see(timeout_ms):
        if port.ahead > when_ms:
            board.air[ssid] = late
        return wait(timeout_ms)

    return wait_and_see


def test_lost_and_back():
    for chip in CHIPS:
        port = start(chip, **HOME)
        port.up(30_000)
        gone = board.air.pop("home")
        while port.status() == "up":
            port.wait(500)
        assert port.address() is None
        pause = 1_000  # as the server does
        for _ in range(6):
            port.up(0)
            port.ahead += pause
            assert port.status() == "connecting", chip
            pause *= 2
        board.air["home"] = gone
        start_ms = port.ahead
        while port.status() != "up":
            port.up(0)
            port.ahead += 5_000
            assert port.ahead - start_ms < 60_000, chip
        assert port.address() == board.ADDRESS


def test_a_chip_that_is_joining_is_left_alone():
    port = start("esp32", **HOME)
    for _ in range(5):
        port.up(0)
        port.ahead += 100
    assert len([entry for entry in board.log if entry[0] == "connect"]) == 1


def test_joined_already():
    port = start("esp8266")  # it remembers the network of the last time
    wlan = board.WLAN(board.STA_IF)
    wlan.active(True)
    wlan.connect("home", "secret 12")
    port.ahead += board.ASSOCIATE_MS
    port.up(30_000)
    assert port.status() == "up"


def test_joined_to_another_network():
    for chip in CHIPS:
        port = start(chip, **HOME)
        board.air["shed"] = {"password": "x"}
        wlan = board.WLAN(board.STA_IF)
        wlan.active(True)
        wlan.connect("shed", "x")
        port.ahead += board.ASSOCIATE_MS
        assert wlan.isconnected()
        port.up(30_000)
        assert port.status() == "up" and wlan.config("ssid") == "home", chip


def test_no_name_given():
    for chip in CHIPS:
        assert "CIRCUITPY_WIFI_SSID" in failure(start(chip)), chip


def test_access_point():
    for chip in CHIPS:
        port = start(chip, ap_ssid="robot", ap_password="12345678")
        port.up(30_000)
        assert port.status() == "up" and port.address() == board.AP_ADDRESS, chip
        wlan = board.WLAN(board.AP_IF)
        assert wlan.config("ssid") == "robot" and wlan.config("key") == "12345678"
        assert chip == "rp2" or wlan.config("security") == board.AUTH_WPA2_PSK
        assert port.nic.station is None
        port.down()
        assert port.status() == "down" and not wlan.active()


def test_open_access_point():
    for chip in CHIPS:
        port = start(chip, ap_ssid="robot")
        port.up(30_000)
        assert board.WLAN(board.AP_IF).config("security") == 0


def test_access_point_with_a_password_that_none_may_have():
    for password in ("1234567", "1" * 64):
        assert "ap_password has 8 to 63" in failure(start("esp32", ap_ssid="robot", ap_password=password))


def test_both():
    for chip in CHIPS:
        port = start(chip, ap_ssid="robot", **HOME)
        port.up(30_000)
        assert port.status() == "up" and port.address() == board.ADDRESS, chip


def test_both_while_one_is_out_of_reach():
    for chip in CHIPS:
        port = start(chip, ap_ssid="robot", **HOME)
        home = board.air.pop("home")
        port.up(10_000)  # says why, and goes on
        assert port.status() == "up" and port.address() == board.AP_ADDRESS, chip
        board.air["home"] = home
        for _ in range(200):
            port.ahead += 500
            assert port.status() == "up"
        assert port.address() == board.ADDRESS, chip
        del board.air["home"]
        for _ in range(20):
            port.ahead += 500
            port.address()  # the stand-in notices when it is asked
        assert port.address() == board.AP_ADDRESS, chip
        board.air["home"] = home
        for _ in range(200):
            port.ahead += 500
            port.status()
        assert port.address() == board.ADDRESS, chip


def test_static_address():
    for chip in CHIPS:
        port = start(chip, address="192.168.4.50, 255.255.255.0,192.168.4.254,1.1.1.1", **HOME)
        board.air["home"]["dhcp"] = False
        port.up(30_000)
        assert port.address() == "192.168.4.50", chip
        assert ("ifconfig", ("192.168.4.50", "255.255.255.0", "192.168.4.254", "1.1.1.1")) in board.log


def test_static_address_that_is_none():
    for address in ("192.168.4.50", "a, b, c, d, e", "lamp,,,"):
        failure(start("esp32", address=address, **HOME))


def test_names_and_power():
    for chip in CHIPS:
        port = start(chip, hostname="lamp", country="DE", power_save=0, **HOME)
        port.up(30_000)
        wlan = board.WLAN(board.STA_IF)
        assert board.hostname() == "lamp" and board.country() == "DE" and wlan.config("pm") == wlan.PM_NONE
        assert board.log[0] == ("hostname", "lamp")  # DHCP tells it to others
        port = start(chip, power_save=1, **HOME)
        port.up(30_000)
        assert board.WLAN(board.STA_IF).config("pm") == wlan.PM_PERFORMANCE


def test_names_that_are_refused():
    for refused in ({"hostname": "x" * 33}, {"country": "Germany"}):
        assert "refuses" in failure(start("esp32", **dict(HOME, **refused)))


def test_unknown_setting():
    try:
        start("esp32", sssid="home").up(0)
    except TypeError as error:
        assert "sssid" in str(error)
    else:
        raise AssertionError("no TypeError")


def printed(port, platform):
    """What `up` prints on such a platform."""
    import webhal_micropython.wifi as wifi

    lines = []
    original = builtins.print
    builtins.print = lambda *values: lines.append(" ".join([str(value) for value in values]))
    wifi.sys = Platform(platform)
    try:
        port.up(30_000)
    finally:
        builtins.print = original
    return lines


class Platform:
    """The module `sys` of a board."""

    def __init__(self, platform):
        self.platform = platform


def test_tells_where_the_board_is():
    for chip, besides in (("esp8266", ""), ("esp32", ", and at lamp.local"), ("rp2", ", and at lamp.local")):
        port = start(chip, hostname="lamp", **HOME)
        assert printed(port, chip) == ["webhal: the board is at 192.168.4.17" + besides]
        port = start(chip, ap_ssid="robot")
        assert printed(port, chip)[0].startswith("webhal: the board is at 192.168.4.1")


def test_name_in_mdns():
    start("esp32")
    board.hostname("lamp")
    assert mdns_name(board, "esp32") == mdns_name(board, "rp2") == "lamp.local"
    assert mdns_name(board, "esp8266") == ""


def test_ethernet():
    port = start("esp32", nic=board.LAN())
    assert failure(port, 3_000).startswith("the cable: no address")
    port.nic.plugged = True
    port.up(30_000)
    assert port.status() == "up" and port.address() == "192.168.4.18"
    port.nic.plugged = False
    assert port.status() == "connecting" and port.address() is None
    port.down()
    assert not board.WLAN(board.STA_IF).active() and port.status() == "down"


def test_ethernet_with_an_address_of_its_own():
    port = start(
        "esp32", nic=board.LAN(), address="192.168.4.50, 255.255.255.0, 192.168.4.254, 1.1.1.1", hostname="lamp"
    )
    port.settings["nic"].plugged = True
    assert printed(port, "esp32") == ["webhal: the board is at 192.168.4.50, and at lamp.local"]


def test_no_memory_for_joining():
    port = start("esp32", **HOME)

    def out_of_memory(*arguments):
        raise MemoryError

    board.hostname_, board.hostname = board.hostname, out_of_memory
    try:
        port.settings["hostname"] = "lamp"
        port.up(0)
    except OSError:
        pass
    else:
        raise AssertionError("no OSError")
    finally:
        board.hostname = board.hostname_
