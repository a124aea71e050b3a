"""What test_soak.py talks to: pages small and large, an upload, and how much heap is in use."""

import gc

from webhal import App

FILE = "large.bin"

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


@app.get("/memory")
def memory(request):
    gc.collect()
    return "%d" % gc.mem_alloc()


@app.get("/room/<int:size>")
def room(request, size):
    """503 where the heap has no block of that size."""
    return "%d" % len(bytearray(size))


@app.get("/file")
def file(request):
    return pieces()


def pieces():
    with open(FILE, "rb") as source:
        while True:
            piece = source.read(512)
            if not piece:
                return
            yield piece


@app.post("/upload", stream=True)
async def upload(request):
    size = total = 0
    while True:
        piece = await request.read(512)
        if not piece:
            return "%d %d" % (size, total)
        size += len(piece)
        total = (total + sum(piece)) & 0xFFFFFF


def main(port, deadlines):
    if deadlines:
        app.run(port=port, deadlines=deadlines)
    app.run(port=port)
