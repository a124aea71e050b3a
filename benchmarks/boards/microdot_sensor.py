"""sensor on microdot."""

from microdot import Microdot

PAGE = "page.html"

app = Microdot()
level = 0


@app.get("/")
async def page(request):
    return PAGE, {"Content-Type": "text/html"}


@app.get("/api")
async def read(request):
    return {"temperature": 21.5, "humidity": 48, "level": level}


@app.post("/api")
async def write(request):
    global level
    level = int(request.json["level"])
    return {"level": level}


@app.get("/pin/<int:pin>")
async def read_pin(request, pin):
    return {"pin": pin, "on": pin % 2 == 1}


@app.errorhandler(404)
async def missing(request):
    return "No such page: " + request.path, 404


def main(port, connections):
    app.run(port=port)
