"""hello on microdot."""

from microdot import Microdot

app = Microdot()


@app.get("/")
async def hello(request):
    return "Hello, world!"


def main(port, connections):
    app.run(port=port)
