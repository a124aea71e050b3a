"""hello on phew, without its log, a file that grows with each request."""

from phew import logging, server

logging.log = lambda level, text: None


@server.route("/")
def hello(request):
    return "Hello, world!"


def main(port, connections):
    server.run(port=port)
