"""The link, and a listener over it: bringing them up, trying again. Loaded for that, then forgotten.

Settings are arguments of Network, by these names, or lines of /settings.toml, beside main.py:

    ssid, password          CIRCUITPY_WIFI_SSID, CIRCUITPY_WIFI_PASSWORD    the network to join
    ap_ssid, ap_password    WEBHAL_AP_SSID, WEBHAL_AP_PASSWORD              the network to offer, instead or besides
    hostname                WEBHAL_HOSTNAME     the board's name; with mDNS it is at NAME.local
    country                 WEBHAL_COUNTRY      two letters (ISO 3166), for the channels that are allowed there
    address                 WEBHAL_ADDRESS      "address, netmask, gateway, DNS server", instead of asking for one
    power_save              WEBHAL_POWER_SAVE   0: the radio is always awake, and answers sooner; 1: it sleeps
    nic                                         a network.LAN or the like, instead of WiFi
"""

import errno
import gc
import socket
import sys
import time

import webhal_micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal_micropython.network import Network


def up(port: "Network", timeout_ms: int) -> None:
    """What Network.up promises."""
    try:
        import network as board

        webhal_micropython.wifi.join(port, board, timeout_ms)
    except ImportError:  # the unix port: the system looks after it
        port.nic = webhal_micropython.unix
    except MemoryError:
        raise OSError(errno.ENOMEM)
    finally:
        forget()


def retry(port: "Network") -> None:
    """Begin to join once more, and leave alone what is offered."""
    import network as board

    try:
        webhal_micropython.wifi.begin(port, board, webhal_micropython.settings.read("/settings.toml", port.settings))
    finally:
        forget()


def down(port: "Network") -> None:
    """What Network.down promises."""
    nic = port.nic
    port.nic = None
    try:
        if nic:
            nic.active(False)
    except OSError:
        pass
    forget()


def listen(network: "Network", port: int, host: str, backlog: int) -> "Any":
    """What Network.listen promises."""
    first = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535
    chosen = port or first + time.ticks_us() % (65536 - first)  # type: ignore[attr-defined]
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ESP8266: without effect
        if hasattr(socket, "sockaddr"):  # the unix port: what is accepted inherits this, for which it has no names
            listener.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY
        listener.bind(socket.getaddrinfo(host or "0.0.0.0", chosen)[0][-1])
        listener.listen(backlog)
    except MemoryError:
        listener.close()
        raise OSError(errno.ENOMEM)
    except OSError as error:
        listener.close()
        if port or error.errno != errno.EADDRINUSE:
            raise
        return listen(network, port, host, backlog)
    finally:
        forget()
    listener.setblocking(False)
    network.port[listener] = chosen
    return listener


def forget() -> None:
    """Leave no module of this package in memory but network."""
    package = sys.modules["webhal_micropython"]
    for home in list(sys.modules):
        name = home[len("webhal_micropython.") :]
        if home.startswith("webhal_micropython.") and name != "network":
            del sys.modules[home]
            if name in package.__dict__:
                delattr(package, name)
    gc.collect()
