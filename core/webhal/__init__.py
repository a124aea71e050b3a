"""webhal: one web application file for PCs and boards.

Modules are loaded when they are first used: `webhal.loop.step(…)` needs no import of webhal.loop. So a small
board has in its memory what an application uses.
"""

import gc
import sys

TYPE_CHECKING = bool()  # False; but jedi, which completes in many an editor, would believe that
if TYPE_CHECKING:
    from typing import Any

    from webhal import assets as assets
    from webhal import chunked as chunked
    from webhal import conditional as conditional
    from webhal import counters as counters
    from webhal import date as date
    from webhal import deflate as deflate
    from webhal import errors as errors
    from webhal import exchange as exchange
    from webhal import fields as fields
    from webhal import head as head
    from webhal import hosting as hosting
    from webhal import jobs as jobs
    from webhal import link as link
    from webhal import log as log
    from webhal import loop as loop
    from webhal import mistakes as mistakes
    from webhal import multipart as multipart
    from webhal import overload as overload
    from webhal import phrases as phrases
    from webhal import refusing as refusing
    from webhal import registering as registering
    from webhal import request as request
    from webhal import response as response
    from webhal import routes as routes
    from webhal import routing as routing
    from webhal import sendfile as sendfile
    from webhal import starting as starting
    from webhal import static as static
    from webhal import stopping as stopping
    from webhal import stream as stream
    from webhal import task as task
    from webhal import text as text
    from webhal import topic as topic
    from webhal import unicode as unicode
    from webhal.app import App as App
    from webhal.errors import HTTPError as HTTPError
    from webhal.errors import abort as abort
    from webhal.fields import redirect as redirect
    from webhal.hosting import serve as serve
    from webhal.http import Request as Request
    from webhal.response import Response as Response
    from webhal.server import Server as Server
    from webhal.task import sleep_ms as sleep_ms
    from webhal.topic import Topic as Topic

    __version__: str

# What applications import from here, and the module of each.
_NAMES = (
    " App:app HTTPError:errors Request:http Response:response Server:server Topic:topic abort:errors "
    "redirect:fields serve:hosting sleep_ms:task "
)


# Bytes that must be left to a board when a module has been loaded: what a plain request takes, so that one that needs
# more than there is costs itself, and not all that come after.
_RESERVE = 1536
# Garbage is collected so many times, where a board can, before there would be no room for more: what stays lies
# together then, and large things find room in what is left. That is worth 2 KB of 44, and costs a board with much
# memory to spare no time.
_COLLECTIONS = 4


def __getattr__(name: str) -> object:
    """A name that applications import, or a module. Raises MemoryError where there is no room for it."""
    if sys.implementation.name == "cpython":
        if name == "__version__":
            from importlib.metadata import version

            return version("webhal")
    if not name or name[:1] == "_":
        raise AttributeError(name)
    start = _NAMES.find(" " + name + ":") + 1
    home = "webhal." + (_NAMES[start + len(name) + 1 : _NAMES.find(" ", start)] if start else name)
    board = hasattr(gc, "mem_free")
    again = False
    while True:
        try:
            if board:
                gc.collect()  # what is loaded now stays: let it lie together
            value = __import__(home, None, None, (name,))
            if board:
                gc.collect()
                left = gc.mem_free()  # type: ignore[attr-defined]
                if left < _RESERVE:
                    raise MemoryError
                left //= _COLLECTIONS
                if hasattr(gc, "threshold") and not 0 < gc.threshold() < left:
                    gc.threshold(left)
            break
        except ImportError as error:
            raise AttributeError(str(error))
        except MemoryError:
            forget(home)
            if again:
                raise
            make_room()
            again = True
    if start:
        value = getattr(value, name)
    globals()[name] = value
    return value


if sys.implementation.name == "cpython":

    def __dir__() -> "list[str]":
        return sorted(["__version__"] + [each.split(":")[0] for each in _NAMES.split()])


def platform(name: str) -> "Any":
    """A module of this platform's port. Raises ImportError where it has none of that name."""
    return __import__("webhal_" + sys.implementation.name + "." + name, None, None, (name,))


def make_room() -> None:
    """Forget the modules that are seldom needed and have no classes that must be the same for ever."""
    for name in "mistakes head chunked request fields text unicode routing phrases refusing overload link".split():
        if "webhal." + name in sys.modules:
            forget("webhal." + name)


def forget(home: str) -> None:
    """Leave nothing of a module in memory, not even of one that could not be loaded to its end."""
    # MicroPython removes that itself, and keeps it: in its place in sys.modules, until there is something else.
    sys.modules[home] = None  # type: ignore[assignment]
    del sys.modules[home]
    globals().pop(home[7:], None)
