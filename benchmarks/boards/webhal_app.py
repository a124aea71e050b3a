"""The benchmark application on webhal, with an ESP8266's limits unless there are to be more connections."""

from webhal import App

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


def main(port, connections):
    if connections > 4:
        app.run(port=port, connections=connections)
    else:
        app.run(port=port)
