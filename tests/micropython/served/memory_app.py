"""What test_memory.py talks to: a module that cannot be loaded, a handler that takes the heap."""

import gc
import sys

import webhal
from webhal import App, sleep_ms

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


@app.get("/greedy")
def greedy(request):
    """Bytes that a module keeps for which memory has run out, when it was tried so many times."""
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(10):
        try:
            assert webhal.greedy
        except MemoryError:
            pass
    gc.collect()
    return "%d %d" % (gc.mem_alloc() - before, "webhal.greedy" in sys.modules)


@app.get("/hog/<int:left>/<int:ms>")
async def hog(request, left, ms):
    """Take all memory but so many bytes, for so long."""
    hogged = []
    gc.collect()
    try:
        while gc.mem_free() > left:
            hogged.append(bytearray(32))
        await sleep_ms(ms)
    finally:
        hogged.clear()
    return "given back"


@app.get("/late")
def late(request):
    """A stream whose first piece needs what is not there."""
    yield bytearray(100_000)


def main(port):
    app.run(port=port, deadlines={"start": 0.5, "rest": 1, "idle": 0.5, "write": 1})
