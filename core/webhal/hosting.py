"""Serving in a program that has an asyncio loop of its own. How a server and asyncio meet is the port's: net.Host."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.app import App
    from webhal.net import Hosting, Limits, Network


async def serve(
    app: "App", port: int = 80, host: str = "", network: "Network | None" = None, **limits: "Unpack[Limits]"
) -> None:
    """Serve `app` in the running loop of asyncio, until the task is cancelled, or the server stopped.

    Cancelled, it accepts no more, lets what runs finish, for ten seconds at most, and then raises CancelledError. As
    many as there are ports may run in one loop. Raises what App.run does; RuntimeError where asyncio cannot wait for
    the network. To bring a board's link up holds up the loop, so let it be up.
    """
    network, limits = webhal.starting.prepare(network, limits)
    hosting = find(network)
    place = webhal.starting.listen(network, port, host, limits["connections"])
    await hosting.serve(webhal.server.create(app, network, limits, place))


def find(network: "Network") -> "Hosting":
    """The module that serves over a network in asyncio. Raises RuntimeError where there is none."""
    if not hasattr(network, "hosting"):
        raise RuntimeError("asyncio cannot wait for this network: let App.run serve")
    hosting: "Hosting" = __import__(network.hosting, None, None, ("serve",))
    return hosting
