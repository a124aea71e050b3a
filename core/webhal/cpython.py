"""What CPython does otherwise than a board, where memory is plenty and time is measured; not sent to boards.

Here is the one place where the core chooses by interpreter: the reading of heads by a compiled expression
(fast_head.py), the way of a plain request in one function (fast_server.py), and late methods and attributes
that are there at once, because a class with __getattr__ has slow attributes on CPython.
"""

from webhal import fast_head, http

http.Connection = fast_head.Connection  # type: ignore[misc] # server.Slot is made of it

from webhal import app, fast_server, forget, life, registering, request, run, server  # noqa: E402, F401

server.Server.serve_ready = fast_server.serve_ready  # type: ignore[assignment, method-assign]
forget.enabled = False
server.LATE = ()  # type: ignore[assignment]


class _Late:
    """An attribute of a Request that is made once, when first used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: http.Request, owner: type) -> object:
        value = instance.__dict__[self.name] = request.attribute(instance, self.name)
        return value


for _name in request.ATTRIBUTES:
    setattr(http.Request, _name, _Late(_name))
for _class, _module in ((app.App, registering), (server.Server, life)):
    for _name in _module.METHODS:
        setattr(_class, _name, getattr(_module, _name))
    del _class.__getattr__
del http.Request.__getattr__
