"""What test_memory.py talks to: files, streamed."""

from webhal import App

app = App()


@app.get("/file/<name>")
def file(request, name):
    return open(name, "rb")


def main(port):
    app.run(port=port)
