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
# no classes that must be the same ones for ever: they may be forgotten. What runs through a request is last.
_LATE = (
    "|routes get post route |registering put patch delete mount before_request after_request error on |run open "
    "|life stop close unlisten relink |crowd crowd accept_crowd |closing linger |trouble refuse overdue "
    "|failing refuse_busy |date stamp |events emit |errors fail "
    "|routing search streams pattern |head judge |request attribute |text |status "
    "|reading read_body lend |chunked begin_chunks "
    "|exchange begin_body answer sent proceed |finishing finish |beside step_beside "
    "|stream stream until_wake wake |flatten |"
)
state = 0  # 2: some of these were used since `idle` was last called, 1: since the call before
_methods: "list[tuple[type, str]]" = []


def __getattr__(name: str) -> object:
    value = globals()[name] = load(_HOMES, name)
    return value


def late(self: object, name: str) -> "Any":
    """As __getattr__ of a class: a function of _LATE becomes a method of it. Raises AttributeError."""
    owner = type(self)
    value = load(_LATE, name)
    _methods.append((owner, name))
    setattr(owner, name, value)
    return getattr(self, name)


def load(text: str, name: str) -> "Any":
    """What `name` is in its module; what else was loaded late makes room for that if it must."""
    global state
    start = text.find(" " + name + " ")
    if start < 0:
        raise AttributeError(name)
    start = text.rfind("|", 0, start) + 1
    home = "webhal." + text[start : text.find(" ", start)]
    try:
        module = __import__(home, None, None, (name,))
    except MemoryError:
        forget()
        module = __import__(home, None, None, (name,))
    state = 2
    return getattr(module, name)


def forget(keep: int = 1) -> None:
    """Let go of what was loaded late, to make room; needs hardly any itself.

    keep: 1, what runs through a request, for if one is under way it would be there twice; 2, all but the methods.
    """
    while _methods:
        owner, name = _methods.pop()
        setattr(owner, name, None)  # MicroPython's delattr would keep the value
        delattr(owner, name)
    start = 0
    end = 0 if keep == 2 else _LATE.find("|exchange begin_body") if keep else len(_LATE) - 1
    while start < end:
        name = _LATE[start + 1 : _LATE.find(" ", start)]
        sys.modules.pop("webhal." + name, None)
        globals().pop(name, None)
        start = _LATE.find("|", start + 1)


def idle(keep: int) -> None:
    """Twice a second where memory is short: forget what was loaded late, once none of it was used meanwhile."""
    global state
    state -= 1
    if state:
        forget(2)  # the methods, or their use would not show
    else:
        forget(keep)
        state = keep  # the others once no request is under way


if sys.implementation.name == "cpython":
    from webhal import cpython as cpython
