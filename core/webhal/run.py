"""App.run: picks the platform's port and serves; nothing else."""

import sys

from webhal.server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App
    from webhal.net import Network


def run(app: "App", port: int, host: str, network: "Network | None", limits: "dict[str, object]") -> None:
    """What App.run promises."""
    if network is None:
        port_of = "webhal_" + sys.implementation.name + ".network"
        network = __import__(port_of, None, None, ("Network",)).Network()
    server = Server(app, network, **limits)
    try:
        try:
            server.open(port, host)
            server.serve()
        except KeyboardInterrupt:
            server.stop()
            server.serve()
    finally:
        server.close()
