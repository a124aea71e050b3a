"""hello on webhal."""

from webhal import App

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


def main(port, connections):
    app.run(port=port, connections=connections)
