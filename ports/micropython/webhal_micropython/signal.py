"""The strength of the WiFi signal, for webhal.metrics, which loads it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def strength(network: "Any") -> "int | None":
    """dBm of the access point that a Network has joined; None where it has joined none, or cannot tell."""
    nic: "Any" = getattr(network, "nic", None)
    try:
        return getattr(nic, "station", nic).status("rssi")  # type: ignore[no-any-return]
    except (AttributeError, TypeError, ValueError, OSError):  # LAN, another platform's network
        return None
