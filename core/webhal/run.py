"""App.run: picks the platform's port, starts a server and serves; nothing else.

To start takes more memory than to serve, so it is done in the order that needs least at once, and what was
loaded for it makes room.
"""

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App
    from webhal.net import Network


def run(app: "App", port: int, host: str, network: "Network | None", limits: "dict[str, object]") -> None:
    """What App.run promises."""
    from webhal.start import connect

    network, listener, limits, view = connect(network, port, host, limits)
    connect = None  # type: ignore[assignment]
    if hasattr(type(app), "__getattr__"):  # a board
        for name in ("webhal.start", "webhal.registering"):
            sys.modules.pop(name, None)
    import webhal.http

    gc.collect()
    from webhal.server import Server

    try:
        server = Server(app, network, view, **limits)
    except BaseException:
        network.close(listener)
        raise
    try:
        try:
            server.adopt(listener, port, host)
            while not server.stopping or server.listener or server.slots:  # server.serve(), without its module
                server.step(server.tick_ms)
        except KeyboardInterrupt:
            server.stop()
            server.serve()
    finally:
        server.close()
