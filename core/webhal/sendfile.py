"""FileStream: a file that the platform sends itself, without its bytes passing through Python (net.Optional.sendfile).

Loaded on a PC with the first answer that is such a file. Everything else that streams is in stream.py.
"""

from io import FileIO

import webhal
from webhal.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.connection import Connection
    from webhal.response import Response
    from webhal.server import Server

_MOST = 1 << 20  # bytes at a time: the others have their turn


def stream(server: "Server", response: "Response", body: "Any") -> "type[Stream]":
    """What sends this body of a response."""
    # Of a FileIO, or a part of one, what is read is what the descriptor has; of other files it may be something else.
    whole = type(getattr(body, "file", body)) is FileIO and webhal.response.find(response.headers, "content-length")
    return FileStream if whole and hasattr(server.network, "sendfile") else Stream


class FileStream(Stream):
    """A file from where it stands on, as long as the response's Content-Length."""

    position = 0

    def next(self, server: "Server", connection: "Connection") -> bool:
        """Send what the socket takes now; return True before that, for the head."""
        file: "Any" = getattr(self.source, "file", self.source)
        if not connection.begun:
            self.prepare()
            self.position = file.tell()
            return True
        left: "Any" = self.left
        network: "Any" = server.network
        count = network.sendfile(connection.socket, file, self.position, min(left, _MOST)) if left else 0
        if count is None:
            connection.phase = "write"
            network.watch(connection.socket, False, True)
        elif count:
            connection.since = server.now
            connection.begun += count
            self.position += count
            self.left = left - count
            self.taken(server, connection)
        else:  # all of it was sent, or the file has become shorter
            self.end(server, connection, None)
        return False

    def ready(self, server: "Server", connection: "Connection") -> None:
        """The socket takes more, or it is what Stream.ready says."""
        if connection.phase == "write":
            server.network.watch(connection.socket, True, False)
            self.taken(server, connection)
        else:
            super().ready(server, connection)
