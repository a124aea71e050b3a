"""webhal's port to MicroPython: sockets, clock and WiFi of ESP8266, ESP32 and their kin.

What is not needed while serving is loaded when it is named, as `webhal_micropython.link.up(…)`.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal_micropython import access_point as access_point
    from webhal_micropython import limits as limits
    from webhal_micropython import link as link
    from webhal_micropython import settings as settings
    from webhal_micropython import unix as unix
    from webhal_micropython import wifi as wifi


def __getattr__(name: str) -> object:
    home = __name__ + "." + name
    try:
        return __import__(home, None, None, (name,))
    except ImportError:
        raise AttributeError(name)
    except MemoryError:
        # MicroPython removes it itself, and keeps it: in its place in sys.modules, until there is something else.
        sys.modules[home] = None  # type: ignore[assignment]
        del sys.modules[home]
        raise
