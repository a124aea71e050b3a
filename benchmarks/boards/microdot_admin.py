"""admin on microdot."""

from microdot import Microdot, Response, abort, redirect

PAGE = "page.html"

app = Microdot()
level = 0
name = "A lamp & co."


@app.before_request
async def only_who_knows_the_key(request):
    if request.path.startswith("/admin") and request.headers.get("X-Key") != "1234":
        abort(401, "The key, please")


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


@app.get("/admin/name")
async def read_name(request):
    return {"name": name}


@app.post("/admin/name")
async def write_name(request):
    global name
    name = request.form["name"]
    return redirect("/admin/name", 303)


@app.get("/visits")
async def visits(request):
    count = int(request.cookies.get("visits", "0")) + 1
    response = Response("Visit %d" % count)
    response.set_cookie("visits", str(count))
    return response


def pieces():
    for number in range(40):
        yield "%05d\n" % number * 85


@app.get("/log")
async def log(request):
    return Response(pieces())


@app.errorhandler(404)
async def missing(request):
    return "No such page: " + request.path, 404


@app.errorhandler(ValueError)
async def bad_value(request, error):
    return {"error": "not a number"}, 422


def main(port, connections):
    app.run(port=port)
