"""Hello World on a board, and on a PC: one HTML page, and a line on the console for whatever happens."""

import errno

from webhal import App

PORT = 80

PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>Hello World</title>
</head>
<body>
<h1>The Hello World! HTML page</h1>
<p>Hello World!</p>
</body>
</html>
"""

app = App()


@app.get("/")
def page(request):
    return PAGE


@app.on("listen")
def starting(address, port):
    print("Starting the Hello World WEB server on IP address %s port %d" % (address, port))


@app.on("connect")
def connected(client):
    print("GOT a connection from %s port %d" % client)


@app.before_request
def show(request):
    print("The content of the request: %r" % request.head)


if __name__ == "__main__":
    try:
        app.run(port=PORT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print("Socket is already bound, please reset the machine")
