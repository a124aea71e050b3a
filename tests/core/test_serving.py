"""What the tests say of a server that never does what they wait for."""

import sys

import serving
from serving import get, serve

from webhal import App


def test_until_tells_what_it_waited_for_what_came_and_what_the_server_is_at():
    app = App()
    app.get("/")(lambda request: "hello")
    most = serving.MOST_STEPS
    serving.MOST_STEPS = 20
    try:
        with serve(app, deadlines=(99, 99, 99, 99)) as bench:
            idle = bench.connect(get())
            half = bench.connect(b"GET / HT")
            try:
                bench.until(lambda: idle.received.endswith(b"farewell"))
            except AssertionError as error:
                said = str(error)
            idle.close()
            half.close()
            bench.net.advance(1000)
            bench.run(10)
    finally:
        serving.MOST_STEPS = most
    assert "open" in said and "hello" in said and "'idle'" in said and "'rest'" in said and "8 bytes" in said, said
    if sys.implementation.name == "cpython":
        assert 'bench.until(lambda: idle.received.endswith(b"farewell"))' in said
