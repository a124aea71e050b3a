"""Simulated boards, for the tests of what is deployed; on a PC only, never sent to a board.

    with MicroPythonBoard("esp32") as board:
        …deploy to board.target…

MicroPythonBoard is a real MicroPython behind a serial line (machine.py), on top of what stands for a board's
firmware (firmware.py). CircuitPythonBoard has a drive or a web workflow instead (circuitpython.py).
`python -m webhal.testing.boards` runs one until Ctrl-C, to be tried by hand.
"""

_WHERE = {"MicroPythonBoard": "machine", "CircuitPythonBoard": "circuitpython"}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(name)
    module = __import__("webhal.testing.boards." + _WHERE[name], None, None, (name,))
    value = globals()[name] = getattr(module, name)
    return value
