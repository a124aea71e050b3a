"""Stands in for the module `network` of ESP8266, ESP32 and RP2 (Pico W), for the port's own code on the unix port.

    network.become("esp32")                     its constants, its answers, its refusals
    network.air["home"] = {"password": "…"}     a network in reach; "dhcp": False gives no address
    del network.air["home"]                     it is gone; after some seconds the chip notices
    network.clock = …                           milliseconds, instead of time.ticks_ms

What the chips do was read from their sources in MicroPython 1.25 to 1.28: ports/esp8266/network_wlan.c,
ports/esp32/network_wlan.c and network_lan.c, extmod/network_cyw43.c. Sockets are no matter of this module: those of the
unix port go on over the loopback when a network is gone. A board's root, with settings.toml, is the working folder.
"""

import builtins
import time

ASSOCIATE_MS = 2_500  # until the outcome of an attempt is known
BEACON_MS = 6_000  # until a chip notices that the access point is gone
ADDRESS = "192.168.4.17"
AP_ADDRESS = "192.168.4.1"

STA_IF = 0
AP_IF = 1

_open = builtins.open
builtins.open = lambda path, *mode: _open("settings.toml" if path == "/settings.toml" else path, *mode)

air = {}
log = []  # what the port asked of the interfaces, in order
clock = time.ticks_ms

_CONSTANTS = {
    "esp8266": {
        "STAT_IDLE": 0,
        "STAT_CONNECTING": 1,
        "STAT_WRONG_PASSWORD": 2,
        "STAT_NO_AP_FOUND": 3,
        "STAT_CONNECT_FAIL": 4,
        "STAT_GOT_IP": 5,
        "AUTH_OPEN": 0,
        "AUTH_WPA2_PSK": 3,
    },
    "esp32": {
        "STAT_IDLE": 1000,
        "STAT_CONNECTING": 1001,
        "STAT_GOT_IP": 1010,
        "STAT_BEACON_TIMEOUT": 200,
        "STAT_NO_AP_FOUND": 201,
        "STAT_WRONG_PASSWORD": 202,
        "STAT_CONNECT_FAIL": 203,
        "STAT_HANDSHAKE_TIMEOUT": 204,
        "STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY": 210,
        "STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD": 211,
        "STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD": 212,
        "AUTH_OPEN": 0,
        "AUTH_WPA2_PSK": 3,
    },
    "rp2": {
        "STAT_IDLE": 0,
        "STAT_CONNECTING": 1,
        "STAT_GOT_IP": 3,
        "STAT_CONNECT_FAIL": -1,
        "STAT_NO_AP_FOUND": -2,
        "STAT_WRONG_PASSWORD": -3,
    },
}


def _status(name):
    return globals()["STAT_" + name]


_LINK_NOIP = 2  # RP2: joined, no address yet; has no name


def become(chip):
    """A board of that chip, switched on just now, with nothing in the air."""
    names = globals()
    for constants in _CONSTANTS.values():
        for name in constants:
            names.pop(name, None)
    names.update(_CONSTANTS[chip])
    kind = {"esp8266": _Esp8266, "esp32": _Esp32, "rp2": _Rp2}[chip]
    _wlans[:] = [kind(STA_IF), kind(AP_IF)]
    _wlans[0].other, _wlans[1].other = _wlans[1], _wlans[0]
    _names.update({"hostname": "mpy-" + chip, "country": "XX"})
    air.clear()
    log.clear()


_wlans = []
_names = {}


def WLAN(interface=STA_IF):
    return _wlans[interface]


def hostname(name=None):
    if name is None:
        return _names["hostname"]
    if len(name) > 32:
        raise ValueError
    log.append(("hostname", name))
    _names["hostname"] = name


def country(code=None):
    if code is None:
        return _names["country"]
    if len(code) != 2:
        raise ValueError
    log.append(("country", code))
    _names["country"] = code


class _Wlan:
    """What is the same in all chips. `outcome` is what became of the last attempt, "" while it goes on."""

    PM_NONE = 0
    PM_PERFORMANCE = 1
    settable = ("ssid", "key", "security", "channel", "pm")
    only_ap = ("ssid", "key", "security")
    retries = True  # the chip tries again by itself

    def __init__(self, interface):
        self.interface = interface
        self.is_active = False
        self.settings = {"ssid": "", "pm": self.PM_PERFORMANCE}
        self.wanted = None  # (ssid, key) while it is to be connected
        self.begun = 0
        self.outcome = ""
        self.lost = None  # when the network went out of the air
        self.static = None
        self.stations = 0

    # -- what is asked ------------------------------------------------------------------------------

    def active(self, value=None):
        if value is None:
            return self.is_active
        log.append(("active", self.interface, value))
        self.is_active = bool(value)
        if not value:
            self.wanted = None
            self.outcome = ""
        return self.answer_to_active()

    def answer_to_active(self):
        return None

    def disconnect(self):
        log.append(("disconnect",))
        self.wanted = None
        self.outcome = "left"

    def isconnected(self):
        if self.interface == AP_IF:
            return self.stations > 0
        self._live()
        return self.outcome == "joined"

    def ifconfig(self, config=None):
        if config is not None:
            log.append(("ifconfig", config))
            if len(config) != 4:
                raise ValueError("requested length 4 but object has length %d" % len(config))
            for address in config:
                if len(address.split(".")) != 4:
                    raise ValueError("invalid arguments")
            address = config[0]
            self.static = address
            return None
        address = "0.0.0.0"
        if self.interface == AP_IF:
            address = AP_ADDRESS if self.is_active else address
        elif self.isconnected():
            address = self.static or ADDRESS
        return (address, "255.255.255.0", "192.168.4.254", "192.168.4.254")

    def config(self, *names, **values):
        if names:
            return self.settings[names[0]]
        for name in values:
            if name not in self.settable:
                raise ValueError("unknown config param")
        log.append(("config", self.interface, values))
        self.refuse_config(values)
        self.settings.update(values)

    def refuse_config(self, values):
        if self.interface == STA_IF and any([name in self.only_ap for name in values]):
            raise OSError("AP required")

    def begin(self, ssid, key):
        log.append(("connect", ssid))
        self.settings["ssid"] = ssid
        self.wanted = ssid, key
        self.begun = clock()
        self.outcome = ""

    # -- what happens meanwhile ---------------------------------------------------------------------

    def _live(self):
        """Let happen what should have happened by now."""
        while self.wanted:
            if self.outcome == "joined":
                if self.wanted[0] in air:
                    self.lost = None
                    return
                if self.lost is None:
                    self.lost = clock()
                if time.ticks_diff(clock(), self.lost) < BEACON_MS:
                    return
                self.lost = None
                self.outcome = "beacon"
                self.begun = clock()
                if not self.retries:
                    self.wanted = None
                return
            if time.ticks_diff(clock(), self.begun) < ASSOCIATE_MS:
                return
            self.outcome = self._attempt()
            if self.outcome == "joined":
                continue
            if not self.retries:
                self.wanted = None
                return
            self.begun = time.ticks_add(self.begun, ASSOCIATE_MS)

    def _attempt(self):
        ssid, key = self.wanted
        if ssid not in air:
            return "absent"
        if air[ssid].get("password", "") != key:
            return "password"
        return "joined" if air[ssid].get("dhcp", True) or self.static else "no address"


class _Esp8266(_Wlan):
    def connect(self, ssid=None, key=None):
        if not self.is_active:
            raise OSError("Cannot connect to AP")
        if ssid is None:
            ssid, key = self.settings["ssid"], ""
        self.begin(ssid, key or "")

    def disconnect(self):
        if not self.wanted:
            raise OSError("Cannot disconnect from AP")
        _Wlan.disconnect(self)

    def status(self):
        if self.interface == AP_IF:
            return -1
        self._live()
        if self.outcome == "joined":
            return _status("GOT_IP")
        if not self.wanted:
            return _status("IDLE")
        # Between two attempts the last one's failure shows for a while.
        if time.ticks_diff(clock(), self.begun) < ASSOCIATE_MS // 2:
            return {"absent": _status("NO_AP_FOUND"), "password": _status("WRONG_PASSWORD")}.get(
                self.outcome, _status("CONNECTING")
            )
        return _status("CONNECTING")

    def refuse_config(self, values):
        _Wlan.refuse_config(self, values)
        if self.interface == AP_IF and not self.is_active:
            raise OSError("can't set AP config")


class _Esp32(_Wlan):
    handshake = False  # a wrong password shows as a time-out of the handshake, as many access points let it
    reason = ""  # of the last disconnection: it shows until the chip has an address, through later attempts

    def answer_to_active(self):
        return self.is_active

    def connect(self, ssid=None, key=None):
        if not self.is_active:
            raise OSError("Wifi Not Started")
        self._live()
        if self.wanted and self.outcome != "joined":
            raise OSError("Wifi Internal Error")
        if ssid is None:
            ssid, key = self.settings["ssid"], ""
        self.begin(ssid, key or "")

    def disconnect(self):
        if not self.is_active:
            raise OSError("Wifi Not Started")
        if self.wanted:
            self.reason = "left"
        _Wlan.disconnect(self)

    def status(self):
        if self.interface == AP_IF:
            return None
        self._live()
        if self.outcome == "joined":
            self.reason = ""
            return _status("GOT_IP")
        if self.outcome in ("absent", "password", "beacon"):
            self.reason = self.outcome
        if self.reason == "absent":
            return _status("NO_AP_FOUND")
        if self.reason == "password" and not self.handshake:
            return _status("WRONG_PASSWORD")
        if self.reason == "left" or not self.wanted:
            return _status("IDLE")
        return _status("CONNECTING")

    def refuse_config(self, values):
        _Wlan.refuse_config(self, values)
        if self.interface == AP_IF and not self.is_active:
            raise OSError("Wifi Invalid Mode")


class _Rp2(_Wlan):
    PM_NONE = 16
    PM_PERFORMANCE = 10555714
    retries = False
    only_ap = ()

    def connect(self, ssid, key=None, security=-1, bssid=None, channel=None):
        if not self.is_active:
            raise OSError(1)
        self.begin(ssid, key or "")

    def status(self):
        self._live()
        if self.interface == AP_IF:
            return _status("GOT_IP") if self.is_active else _status("IDLE")
        known = {
            "joined": _status("GOT_IP"),
            "absent": _status("NO_AP_FOUND"),
            "password": _status("WRONG_PASSWORD"),
            "no address": _LINK_NOIP,
        }
        return known.get(self.outcome, _status("CONNECTING") if self.wanted else _status("IDLE"))


class LAN:
    """ESP32's Ethernet."""

    def __init__(self):
        self.is_active = False
        self.plugged = False
        self.address = "192.168.4.18"

    def active(self, value=None):
        if value is not None:
            self.is_active = bool(value)
        return self.is_active

    def isconnected(self):
        return self.is_active and self.plugged

    def status(self):
        return 5 if self.isconnected() else 1

    def ifconfig(self, config=None):
        if config is not None:
            self.address = config[0]
            return None
        return (self.address if self.isconnected() else "0.0.0.0", "255.255.255.0", "192.168.4.254", "192.168.4.254")
