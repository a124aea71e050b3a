"""Stands for the network interface where the operating system looks after it: under the unix port."""


class System:
    def isconnected(self) -> bool:
        return True

    def ifconfig(self) -> "tuple[str, ...]":
        return ("127.0.0.1",)

    def active(self, value: bool) -> None:
        """Nothing: it stays up."""
