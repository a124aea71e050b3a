"""Lets the tests here import what they share, as MicroPython's runner does."""

import os
import sys

sys.path.append(os.path.dirname(__file__))
