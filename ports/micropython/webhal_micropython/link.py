"""Bringing the link up, whatever it is: what happens once, beside the sockets.

Settings are arguments of Network, by these names, or lines of settings.toml beside main.py:

    ssid, password          CIRCUITPY_WIFI_SSID, CIRCUITPY_WIFI_PASSWORD    the network to join
    ap_ssid, ap_password    WEBHAL_AP_SSID, WEBHAL_AP_PASSWORD              the network to offer, instead or besides
    hostname                WEBHAL_HOSTNAME     the board's name; with mDNS it is at NAME.local
    country                 WEBHAL_COUNTRY      two letters (ISO 3166), for the channels that are allowed there
    address                 WEBHAL_ADDRESS      "address, netmask, gateway, DNS server", instead of asking for one
    power_save              WEBHAL_POWER_SAVE   0: the radio is always awake, and answers sooner; 1: it sleeps
    nic                                         a network.LAN or the like, instead of WiFi
"""

import sys

from webhal_micropython.settings import read_settings
from webhal_micropython.wifi import begin, mdns_name, offer, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal_micropython.network import Network


def join(port: "Network", board: "Any", timeout_ms: int) -> None:
    """What Network.up promises; `board` is the board's module `network`."""
    settings = read_settings("settings.toml", port.settings)
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
        from webhal_micropython.offer import Offer

        port.nic = Offer(port, access_point, station)
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


def retry(port: "Network", board: "Any") -> None:
    """Begin to join once more, and leave alone what is offered."""
    begin(port, board, read_settings("settings.toml", port.settings))
