"""App.run: picks the platform's port, starts a server and serves; nothing else.

To start takes more memory than to serve, so it is done in the order that needs least at once, and what was
loaded for it makes room.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App
    from webhal.net import Network


def run(app: "App", port: int, host: str, network: "Network | None", limits: "dict[str, object]") -> None:
    """What App.run promises."""
    if network is None:
        port_of = "webhal_" + sys.implementation.name + ".network"
        network = __import__(port_of, None, None, ("Network",)).Network()
    from webhal.start import adopt, connect

    listener, view = connect(network, port, host, limits)
    from webhal.server import Server

    try:
        server = Server(app, network, view, **limits)
    except BaseException:
        network.close(listener)
        raise
    try:
        try:
            adopt(server, listener, port, host)
            connect = adopt = None  # type: ignore[assignment]
            if hasattr(Server, "__getattr__"):  # a board
                for name in ("webhal.start", "webhal.registering"):
                    sys.modules.pop(name, None)
            while not server.stopping or server.listener or server.slots:  # server.serve(), without its module
                server.step(server.tick_ms)
        except KeyboardInterrupt:
            server.stop()
            server.serve()
    finally:
        server.close()
