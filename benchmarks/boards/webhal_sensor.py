"""sensor on webhal."""

from webhal import App

PAGE = "page.html"

app = App()
level = 0


@app.get("/")
def page(request):
    return PAGE


@app.get("/api")
def read(request):
    return {"temperature": 21.5, "humidity": 48, "level": level}


@app.post("/api")
def write(request):
    global level
    level = int(request.json["level"])
    return {"level": level}


@app.get("/pin/<int:pin>")
def read_pin(request, pin):
    return {"pin": pin, "on": pin % 2 == 1}


@app.error(404)
def missing(request, error):
    return "No such page: " + request.path


def main(port, connections):
    app.run(port=port, connections=connections)
