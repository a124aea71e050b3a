"""admin on webhal."""

from webhal import App, Response, abort, redirect

PAGE = "page.html"

app = App()
level = 0
name = "A lamp & co."


@app.before_request
def only_who_knows_the_key(request):
    if request.path.startswith("/admin") and request.headers.get("x-key") != "1234":
        abort(401, "The key, please")


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


@app.get("/admin/name")
def read_name(request):
    return {"name": name}


@app.post("/admin/name")
def write_name(request):
    global name
    name = request.form["name"]
    return redirect("/admin/name", 303)


@app.get("/visits")
def visits(request):
    count = int(request.cookies.get("visits", "0")) + 1
    response = Response("Visit %d" % count)
    response.set_cookie("visits", str(count))
    return response


@app.get("/log")
def log(request):
    for number in range(40):
        yield "%05d\n" % number * 85


@app.error(404)
def missing(request, error):
    return "No such page: " + request.path


@app.error(ValueError)
def bad_value(request, error):
    return {"error": "not a number"}, 422


def main(port, connections):
    app.run(port=port, connections=connections)
