"""The address that is printed when a server has begun: to be opened in a browser here or, where others can reach it and
the output is a terminal, by a phone that sees its QR code.
"""

import io
from collections.abc import Iterator
from ipaddress import ip_address

from webhal import Server
from webhal_cpython import listeners
from webhal_cpython.network import Network
from webhal_cpython.output import Output

_BOLD = "1"  # of ANSI's SGR


def announce(output: Output, server: Server, host: str, chosen: bool) -> None:
    """Print it, of a unix socket its path; `chosen`: somebody has named the host."""
    if isinstance(server.network, Network) and isinstance(place := listeners.place(server.listener), str):
        output.write(f"Serving on {output.styled(_BOLD, place)} (Ctrl-C stops it)")
        return
    if host in ("", "0.0.0.0", "::"):
        host = server.network.address() or host
    scheme = getattr(server.network, "scheme", "http")
    port = server.network.local_port(server.listener)
    url = "%s://%s:%d/" % (scheme, f"[{host}]" if ":" in host else host, port)
    note = "Ctrl-C stops it" if chosen else 'only this machine can open it, --host "" lets others; Ctrl-C stops it'
    output.write(f"Serving on {output.styled(_BOLD, url)} ({note})")
    if output.is_terminal and not is_loopback(host):
        for line in _qr_code(url):
            output.write(line)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, that no other reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _qr_code(url: str) -> Iterator[str]:
    """Its lines; none where the library is not installed."""
    try:
        import segno
    except ImportError:
        return
    drawn = io.StringIO()
    segno.make(url, micro=False).terminal(drawn, border=2, compact=True)
    yield from drawn.getvalue().splitlines()
