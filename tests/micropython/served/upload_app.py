"""What test_uploads.py talks to: forms with files, saved and counted."""

import gc

from webhal import App
from webhal.multipart import parts

app = App()


@app.get("/memory")
def memory(request):
    gc.collect()
    return "%d" % gc.mem_alloc()


@app.post("/save", stream=True)
async def save(request):
    names = []
    async for part in parts(request):
        if part.filename:
            await part.save(part.filename)
            names.append(part.filename)
    return names


@app.post("/count", stream=True)
async def count(request):
    found = []
    async for part in parts(request):
        size = total = 0
        piece = await part.read()
        while piece:
            size += len(piece)
            total = (total + sum(piece)) & 0xFFFFFF
            piece = await part.read()
        found.append([part.name, size, total])
    return found


@app.post("/small")
def small(request):
    file = request.files["f"]
    return [request.form["a"], file.name, file.type, len(file.body)]


def main(port):
    app.run(port=port)
