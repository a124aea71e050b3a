"""Limits of boards with more memory than an ESP8266, and their clock, from which a response gets its Date."""

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal_micropython.network import Network

_YEAR_2024 = 1_704_067_200  # a clock that nobody has set starts in 1970 or 2000, RP2's in 2021
_EPOCH_2000 = 946_684_800  # when time.time() is 0 on ESP32

limits = {"connections": 6, "head": 4096, "body": 16384, "buffer": 1024}  # deadlines are those of all boards
if sys.platform == "rp2":
    limits["connections"] = 4  # its lwIP has five, and one is for who comes next


def unix_time(network: "Network") -> "int | None":
    seconds = int(time.time())
    if time.gmtime(0)[0] == 2000:
        seconds += _EPOCH_2000
    return seconds if seconds > _YEAR_2024 else None
