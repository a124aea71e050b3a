"""Joining WiFi, being an access point, and telling others the name: what happens once, beside the sockets.

Settings are the arguments of Network, else the lines of settings.toml:

    CIRCUITPY_WIFI_SSID, CIRCUITPY_WIFI_PASSWORD    the network to join; the firmware has joined it already, mostly
    WEBHAL_AP_SSID, WEBHAL_AP_PASSWORD              the network to offer, instead or besides
    WEBHAL_HOSTNAME                                 the board's name; with mDNS it is at NAME.local

"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mdns import Server
    from wifi import Radio

    Link = tuple[str | None, str | None, str | None, str | None, str | None]

_ATTEMPT_MS = 4000  # to join when told not to wait: association and DHCP take 2 to 3 s


def join(radio: "Radio", link: "Link", address: "str | None", timeout_ms: int) -> None:
    """What Network.up promises; `address` is the station's."""
    ssid, password, ap_ssid, ap_password, hostname = link
    ssid = ssid or os.getenv("CIRCUITPY_WIFI_SSID")
    ap_ssid = ap_ssid or os.getenv("WEBHAL_AP_SSID")
    if getattr(radio, "ap_active", False) or address and not ap_ssid:
        return
    if not hasattr(radio, "connect"):
        problem = "the cable gives no address: is it plugged in?"
    elif not ssid and not ap_ssid:
        problem = "no WiFi is named: write CIRCUITPY_WIFI_SSID and CIRCUITPY_WIFI_PASSWORD into settings.toml"
    else:
        try:
            radio.enabled = True
            hostname = hostname or os.getenv("WEBHAL_HOSTNAME")
            if hostname:
                radio.hostname = hostname
            if ap_ssid:
                radio.start_ap(ap_ssid, ap_password or os.getenv("WEBHAL_AP_PASSWORD") or "")
            if ssid and not address:
                password = password or os.getenv("CIRCUITPY_WIFI_PASSWORD") or ""
                radio.connect(ssid, password, timeout=(timeout_ms or _ATTEMPT_MS) / 1000)
            return
        except (AttributeError, OSError, RuntimeError, ValueError) as error:  # row radio-connect
            problem = "WiFi %s: %s; see its name and password in settings.toml" % (ssid or ap_ssid, error)
            if address or getattr(radio, "ap_active", False):  # who can reach it the other way can help
                print("webhal:", problem)
                return
    if timeout_ms:
        raise OSError(problem)


def leave(radio: "Radio") -> None:
    """Leave the network, and offer none."""
    for name in ("stop_station", "stop_ap", "disconnect"):
        try:
            getattr(radio, name)()
        except (AttributeError, OSError, RuntimeError):  # another radio's; none to leave
            pass


def announce(
    radio: "Radio", link: "Link", address: "str | None", port: int, server: "Server | None"
) -> "Server | None":
    """Print where the server is, and let mDNS tell it; the mdns.Server, which lives as long as it is kept, or None."""
    name = ""
    try:
        if server is None:
            import mdns

            server = mdns.Server(radio)
            hostname = link[4] or os.getenv("WEBHAL_HOSTNAME")
            if hostname:
                server.hostname = hostname
        server.advertise_service(service_type="_http", protocol="_tcp", port=port)
        name = ", and %s.local" % server.hostname
    except Exception:  # a server without a name serves too, whatever the reason
        pass
    print("webhal: the board is at %s%s" % (address, name))
    return server


def taken(port: int) -> str:
    """Why `port` may be in use, and what to do; printed too, because applications word this error their own way."""
    if os.getenv("CIRCUITPY_WEB_API_PASSWORD") and port == int(os.getenv("CIRCUITPY_WEB_API_PORT") or 80):
        text = (
            "port %d is held by the web workflow; give it another with CIRCUITPY_WEB_API_PORT = 8080 in settings.toml"
            % port
        )
        print("webhal:", text)
        return text
    return "port %d is in use" % port
