"""Does this port keep the promises of webhal.net? Run it where the port runs."""

from webhal.testing import check_network
from webhal_template.network import Network

# A platform without a loopback interface, or whose sockets are not called `socket`, gives make_client=…; one that can
# be brought to have no socket or no network gives exhaust=… and lose_link=…: see webhal.testing.check.
check_network(Network)
