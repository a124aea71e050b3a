"""An application of eight routes on webhal, for soak.py: a hook, an error handler, JSON, a form, pages from files."""

from webhal import App, abort, redirect

app = App()
settings = {"name": "lamp", "level": 7}


def pieces(name):
    with open(name, "rb") as file:
        while True:
            piece = file.read(512)
            if not piece:
                return
            yield piece


@app.before_request
def only_who_knows_the_key(request):
    if request.path.startswith("/admin") and request.headers.get("x-key") != "1234":
        abort(401, "The key, please")


@app.error(404)
def missing(request, error):
    return "No such page: " + request.path


@app.get("/")
def page(request):
    return pieces("index.html"), 200, {"Content-Type": "text/html"}


@app.get("/script.js")
def script(request):
    return pieces("script.js"), 200, {"Content-Type": "text/javascript"}


@app.get("/api")
def read(request):
    return settings


@app.post("/api")
def write(request):
    level = request.json["level"]
    if level > 100:
        abort(400, "At most 100")
    return {"level": level, "name": settings["name"]}


@app.get("/pin/<int:pin>")
def pin(request, pin):
    return {"pin": pin, "on": pin % 2 == 1}


@app.get("/search")
def search(request):
    return "Found " + request.args.get("text", "nothing")


@app.get("/admin/settings")
def form(request):
    return "Name: " + settings["name"]


@app.post("/admin/settings")
def change(request):
    settings["name"] = request.form["name"]
    return redirect("/admin/settings", 303)


def main(port, connections):
    app.run(port=port, connections=connections)
