"""Stands for the network interface where the operating system looks after it: under the unix port."""


def isconnected() -> bool:
    return True


def ifconfig() -> "tuple[str, ...]":
    return ("127.0.0.1",)


def active(value: bool) -> None:
    """Nothing: it stays up."""
