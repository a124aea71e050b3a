"""Nothing but a sign that the pipeline works, until the core's own tests are here."""

import sys


def test_interpreter_has_a_name():
    assert sys.implementation.name in ("cpython", "micropython", "circuitpython")


def test_core_imports():
    import webhal

    assert webhal.__name__ == "webhal"
