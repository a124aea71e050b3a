"""What needs adafruit-blinka, which tox's environment `blinka` has: here a plain PC is its board."""

import os
import sys
from pathlib import Path

os.environ["BLINKA_OS_AGNOSTIC"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "circuitpython"))  # the stand-in for the firmware
