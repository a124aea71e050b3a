"""webhal: one web application file for PCs and boards.

Only names live here, each loaded from its module when it is first used, for boards are small. CPython loads
all of webhal at once (cpython.py).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App as App
    from webhal.helpers import abort as abort
    from webhal.helpers import redirect as redirect
    from webhal.helpers import sleep_ms as sleep_ms
    from webhal.http import Request as Request
    from webhal.httperror import HTTPError as HTTPError
    from webhal.response import Response as Response
    from webhal.server import Server as Server

_HOMES = (
    " App:app HTTPError:httperror Request:http Response:response Server:server"
    " abort:helpers redirect:helpers sleep_ms:helpers "
)


def __getattr__(name: str) -> object:
    start = _HOMES.find(" %s:" % name)
    if start < 0:
        raise AttributeError("webhal has no " + repr(name))
    home = _HOMES[start + len(name) + 2 :].split(" ")[0]
    value = globals()[name] = getattr(__import__("webhal." + home, None, None, (name,)), name)
    return value


if sys.implementation.name == "cpython":
    from webhal import cpython as cpython
