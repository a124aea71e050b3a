"""The boards' interfaces: a station, an access point, a cable. What chips do differently is hidden here.

A status is known by its name, because each chip has other numbers, and some of the names only.
"""

import sys

import webhal_micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal_micropython.network import Network

_LOOK_MS = 100  # between two looks at the status
_SURE_MS = 5_000  # a failure that lasts so long is no passing one
_PATIENCE_MS = 30_000  # what a chip gets to join again by itself

_WRONG_PASSWORD = "the password is wrong; write the one that its access point has"
_CAUSES = {  # and what to do, by the name of a status
    "STAT_WRONG_PASSWORD": _WRONG_PASSWORD,
    "STAT_NO_AP_FOUND": "no such network is in reach; look at its name, and for 2.4 GHz, which most boards need",
    "STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD": "the signal is too weak; bring them nearer",
    "STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD": "it is less secure than this board takes; let it have WPA2",
    "STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY": "it is secured in a way that this board does not know; let it have WPA2",
    "STAT_CONNECT_FAIL": "it refuses; the password may be wrong",
}


def join(port: "Network", board: "Any", timeout_ms: int) -> None:
    """Join a network, offer one, or both, as the settings say; `board` is the board's module `network`."""
    settings = webhal_micropython.settings.read("/settings.toml", port.settings)
    station = access_point = None
    try:
        if "hostname" in settings:
            board.hostname(settings["hostname"])
        if "country" in settings:
            board.country(settings["country"])
        if "ap_ssid" in settings:
            access_point = offer(board, settings)
        if "nic" in settings or "ssid" in settings or not access_point:
            station = begin(port, board, settings)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:  # so drivers word what they refuse
        raise OSError("the board's network driver refuses: %r" % error)
    port.nic = station
    if access_point:
        port.nic = webhal_micropython.access_point.AccessPoint(port, access_point, station)
    if timeout_ms:
        if station:
            try:
                wait_for(port, station, board, settings, timeout_ms)
            except OSError as error:
                if not access_point:
                    raise
                print("webhal:", error)  # who can reach the access point can help
        name = mdns_name(board, sys.platform)
        print("webhal: the board is at %s%s" % (port.address(), name and ", and at " + name))


def offer(board: "Any", settings: "dict[str, Any]") -> "Any":
    """The access point, active."""
    wlan = board.WLAN(board.AP_IF)
    key = settings.get("ap_password", "")
    if key and not 8 <= len(key) <= 63:
        raise OSError("ap_password has 8 to 63 characters, or none")
    config = {"ssid": settings["ap_ssid"], "key": key}
    if not key:
        config["security"] = 0
        del config["key"]
    elif hasattr(board, "AUTH_WPA2_PSK"):
        config["security"] = board.AUTH_WPA2_PSK
    elif hasattr(wlan, "SEC_WPA2"):
        config["security"] = wlan.SEC_WPA2
    try:
        wlan.config(**config)  # RP2 takes it over when it becomes active,
        wlan.active(True)
    except OSError:  # ESP once it is
        wlan.active(True)
        wlan.config(**config)
    return wlan


def begin(port: "Network", board: "Any", settings: "dict[str, Any]") -> "Any":
    """Let the station, or the cable, come up; return it."""
    nic = settings.get("nic") or board.WLAN(board.STA_IF)
    nic.active(True)
    if "power_save" in settings:
        nic.config(pm=nic.PM_PERFORMANCE if int(settings["power_save"]) else nic.PM_NONE)
    address = settings.get("address")
    if address:
        parts = tuple([part.strip() for part in address.split(",")])
        if len(parts) != 4:
            raise OSError('address is "ADDRESS, NETMASK, GATEWAY, DNS SERVER", not ' + repr(address))
        nic.ifconfig(parts)
    if "nic" not in settings:
        ssid = settings.get("ssid")
        if not nic.isconnected() or ssid and nic.config("ssid") != ssid:
            if not ssid:
                raise OSError(
                    "no WiFi is named: write CIRCUITPY_WIFI_SSID and CIRCUITPY_WIFI_PASSWORD into settings.toml"
                )
            _connect(port, nic, board, settings)
    return nic


def _connect(port: "Network", nic: "Any", board: "Any", settings: "dict[str, Any]") -> None:
    now = port.ticks_ms()
    if nic.status() == getattr(board, "STAT_CONNECTING", 1) and hasattr(port, "tried"):
        if port.ticks_diff(now, port.tried) < _PATIENCE_MS:
            return  # ESP does it by itself
    try:
        nic.disconnect()  # ESP32 refuses to begin again
    except OSError:  # ESP8266 that is not connected
        pass
    port.tried = now
    nic.connect(settings["ssid"], settings.get("password", ""))


def wait_for(port: "Network", nic: "Any", board: "Any", settings: "dict[str, Any]", timeout_ms: int) -> None:
    """Until `nic` is up. Raises OSError that tells the likely cause."""
    if "nic" in settings:
        what = "the cable"
        cause = "no address; plug it in, or set WEBHAL_ADDRESS where there is no DHCP server"
        causes = {}
    else:
        what = "WiFi " + settings.get("ssid", "")
        cause = "no address; the password may be wrong, or set WEBHAL_ADDRESS where there is no DHCP server"
        causes = _CAUSES
    start = since = port.ticks_ms()
    while not nic.isconnected():
        now = port.ticks_ms()
        status = nic.status()
        failure = ""
        for name in causes:
            if hasattr(board, name) and status == getattr(board, name):
                failure = cause = causes[name]
        if not failure:
            since = now
        late = port.ticks_diff(now, start) >= timeout_ms
        sure = port.ticks_diff(now, since) >= _SURE_MS
        if late or sure and failure == _WRONG_PASSWORD:
            raise OSError("%s: %s" % (what, cause))
        if sure:  # RP2 does not try again by itself
            _connect(port, nic, board, settings)
            since = now
        port.wait(_LOOK_MS)


def mdns_name(board: "Any", platform: str) -> str:
    """The name under which mDNS finds the board, "" where it has no mDNS."""
    return board.hostname() + ".local" if platform in ("esp32", "rp2") else ""
