"""The stand-in is a module that the tests of this folder import, here and under MicroPython."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
