"""examples/pin.py on a board, and where neither CircuitPython nor Blinka is. With Blinka: tests/blinka."""

import sys

from standin import FLAVOURS, Board, Namespace

EXAMPLE = __file__[: -len("tests/circuitpython/test_pin.py")] + "examples/pin.py"


class Pin:
    """digitalio.DigitalInOut."""

    made = []

    def __init__(self, name):
        self.name = name
        self.made.append(self)


def load():
    """The example's names, as when it is imported."""
    names = {"__name__": "pin"}
    with open(EXAMPLE) as file:
        exec(compile(file.read(), EXAMPLE, "exec"), names)
    return names


def test_a_boards_led_is_switched():
    for flavour in FLAVOURS:
        with Board(flavour) as board:
            board.modules["board"] = Namespace(D13="pin 13", LED="the led")
            board.modules["digitalio"] = Namespace(DigitalInOut=Pin, Direction=Namespace(OUTPUT="output"))
            board.install()
            from webhal.testing.client import TestClient

            client = TestClient(load()["app"])
            pin = Pin.made[-1]
            assert (pin.name, pin.direction) == ("the led", "output")
            assert client.post("/", form={"to": "on"}).status == 303
            assert pin.value is True and "LED is on." in client.get("/").text
            assert client.post("/", form={"to": "off"}).status == 303
            assert pin.value is False and "LED is off." in client.get("/").text


def test_without_blinka_one_line_says_what_to_install():
    saved = sys.modules.get("board")
    if sys.implementation.name == "cpython":
        sys.modules["board"] = None  # so that it cannot be imported
    try:
        load()
        raise AssertionError("it went on")
    except SystemExit as error:
        assert "pip install 'webhal[blinka]'" in str(error) and "\n" not in str(error)
    finally:
        sys.modules.pop("board", None)
        if saved:
            sys.modules["board"] = saved
