"""webhal: one web application file for PCs and boards.

Only names live here, and how they are found: each in its module, which is loaded when the name is first used,
for boards are small, and forgotten again where memory is short. CPython loads all of webhal at once (cpython.py).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App as App
    from webhal.helpers import abort as abort
    from webhal.helpers import redirect as redirect
    from webhal.helpers import sleep_ms as sleep_ms
    from webhal.http import Request as Request
    from webhal.httperror import HTTPError as HTTPError
    from webhal.response import Response as Response
    from webhal.server import Server as Server

# "|module name name ": in which module a name is. First what applications use.
_HOMES = (
    "|app App |httperror HTTPError |http Request |response Response |server Server "
    "|helpers abort redirect sleep_ms |"
)
# Then what becomes a method when it is first called. These modules, and those without names here, have no state, and
# no classes that must be the same ones for ever: they may be forgotten.
_LATE = (
    "|routes get post route |registering put patch delete mount before_request after_request error on |run open "
    "|life stop close unlisten relink |beside step_beside |exchange begin_body answer sent proceed "
    "|closing linger |crowd crowd accept_crowd |trouble refuse overdue |failing refuse_busy |date stamp |events emit "
    "|routing search streams |errors fail |head judge |reading read_body lend |request attribute "
    "|stream stream until_wake wake |flatten |chunked begin_chunks |text |status |"
)
loaded = 0  # 2: some of these were used since `forget` was last called, 1: since the call before
_methods: "list[tuple[type, str]]" = []


def __getattr__(name: str) -> object:
    value = globals()[name] = load(_HOMES, name)
    return value


def late(self: object, name: str) -> "Any":
    """As __getattr__ of a class: a function of _LATE becomes a method of it. Raises AttributeError."""
    owner = type(self)
    setattr(owner, name, load(_LATE, name))
    _methods.append((owner, name))
    return getattr(self, name)


def load(homes: str, name: str) -> "Any":
    """What `name` is in its module; what else was loaded late makes room for that if it must."""
    global loaded
    start = homes.find(" %s " % name)
    if start < 0:
        raise AttributeError(name)
    start = homes.rfind("|", 0, start) + 1
    home = "webhal." + homes[start : homes.find(" ", start)]
    try:
        module = __import__(home, None, None, (name,))
    except MemoryError:
        forget()
        module = __import__(home, None, None, (name,))
    loaded = 2
    return getattr(module, name)


def forget(idle: bool = False) -> None:
    """Let go of the modules that were loaded late; if `idle`, only when none was used since it was asked last."""
    global loaded
    loaded -= 1
    while _methods:
        owner, name = _methods.pop()
        setattr(owner, name, None)  # MicroPython's delattr would keep the value
        delattr(owner, name)
    if loaded < 1 or not idle:
        loaded = 0
        for home in list(sys.modules):
            name = home[7:]
            if home[:7] == "webhal." and "|%s " % name in _LATE:
                sys.modules.pop(home)
                globals().pop(name, None)


if sys.implementation.name == "cpython":
    from webhal import cpython as cpython
