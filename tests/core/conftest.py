"""Lets the tests here import what they share, as MicroPython's runner does."""

import os
import sys

sys.path.append(os.path.dirname(__file__))


if os.environ.get("WEBHAL_SERVER") == "cpython":
    import webhal.server
    from webhal_cpython.serving import Server

    webhal.server.Server = Server
