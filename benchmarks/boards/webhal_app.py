"""The benchmark application on webhal, with ESP8266's limits but for the connections that are asked for."""

from webhal import App

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


def main(port, connections):
    app.run(port=port, connections=connections)
