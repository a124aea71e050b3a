"""webhal's port to CircuitPython: socketpool, and wifi.radio or another radio. No name lives here.

Elsewhere importing it says in one line that this is no CircuitPython board.
"""

try:
    import supervisor  # noqa: F401 - what no other Python has
except ImportError:
    raise ImportError("webhal_circuitpython runs on CircuitPython boards only")
