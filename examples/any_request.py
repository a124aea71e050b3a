"""A basic web server that gives one answer to any request whatever, even to one that is not HTTP.

Try it with a browser, or by hand: `telnet localhost 8888`, then type anything.
"""

from webhal import App, HTTPError

PORT = 8888

app = App()


@app.before_request
@app.error(HTTPError)  # what is refused comes here: a line that makes no request, a method that nobody knows …
def answer(request, error=None):
    return "This is the server respose! :)", 200


@app.on("listen")
def listening(address, port):
    print("The server is listening on %s port %d" % (address, port))


@app.on("connect")
def connected(client):
    print("A client connected from %s port %d" % client)


if __name__ == "__main__":
    app.run(port=PORT, deadlines={"start": 60, "rest": 60})  # seconds: people type slowly
