"""hello on tinyweb."""

from tinyweb import webserver

app = webserver()


@app.route("/")
async def hello(request, response):
    await response.start_html()
    await response.send("Hello, world!")


def main(port, connections):
    app.max_concurrency = connections
    app.run(port=port)
