"""What a test needs: a fake network, a client for applications, and the conformance kit for ports.

Names load when first used: a board that runs the kit has no room for the rest.
"""

TYPE_CHECKING = bool()  # False; see webhal/__init__.py
if TYPE_CHECKING:
    from webhal.testing.check import check_network as check_network
    from webhal.testing.client import TestClient as TestClient
    from webhal.testing.fake import FakeNetwork as FakeNetwork

_WHERE = {"FakeNetwork": "fake", "TestClient": "client", "check_network": "check"}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(name)
    module = __import__("webhal.testing." + _WHERE[name], None, None, (name,))
    value = globals()[name] = getattr(module, name)
    return value
