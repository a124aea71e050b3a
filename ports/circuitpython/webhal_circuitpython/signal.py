"""The strength of the WiFi signal, for webhal.metrics, which loads it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def strength(network: "Any") -> "int | None":
    """dBm of the access point that a Network has joined; None where it has joined none, or cannot tell."""
    try:
        return network._radio.ap_info.rssi  # type: ignore[no-any-return]
    except (AttributeError, OSError):  # a WIZNET5K, an AirLift that does not answer
        return None
