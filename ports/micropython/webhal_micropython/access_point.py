"""A network of the board's own, and perhaps one that it joins besides; loaded, and kept, where one is offered."""

import webhal_micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal_micropython.network import Network

_REJOIN_MS = 60_000  # between two tries to join the other network; ESP does it by itself, too


class AccessPoint:
    """Passes for a network.WLAN that is connected as long as the access point is active."""

    def __init__(self, port: "Network", access_point: "Any", station: "Any") -> None:
        self.port = port
        self.access_point = access_point
        self.station = station
        self.looked = port.ticks_ms()

    def isconnected(self) -> bool:
        port = self.port
        if self.station and port.ticks_diff(port.ticks_ms(), self.looked) > _REJOIN_MS:
            self.looked = port.ticks_ms()
            if not self.station.isconnected():
                webhal_micropython.link.retry(port)
        return bool(self.access_point.active())

    def ifconfig(self) -> "Any":
        nic = self.station if self.station and self.station.isconnected() else self.access_point
        return nic.ifconfig()

    def active(self, value: bool) -> None:
        for nic in (self.access_point, self.station):
            if nic:
                nic.active(value)
