"""HTTPError: what raises it asks for an error status as the answer; loaded with the first one."""


class HTTPError(Exception):
    """Answer the request with an error: `status`, `message` (text for the client, or "")."""

    def __init__(self, status: int, message: str = "", headers: "dict[str, str] | None" = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers
