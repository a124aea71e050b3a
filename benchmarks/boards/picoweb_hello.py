"""hello on picoweb."""

import picoweb

app = picoweb.WebApp(None, serve_static=False)


@app.route("/")
def hello(request, writer):
    yield from picoweb.start_response(writer)
    yield from writer.awrite("Hello, world!")


def main(port, connections):
    app.run(port=port, debug=-1)
