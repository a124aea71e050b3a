"""A small JSON API with a parameter in its path, a form, and an upload that is echoed back as a stream.

    curl localhost:8000/lamps/1
    curl -X PUT --json '{"on": true}' localhost:8000/lamps/1
    curl -T FILE -X POST localhost:8000/echo
"""

from webhal import App, HTTPError, Response, abort

PORT = 8000

FORM = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>Who is there?</title>
</head>
<body>
<form method="post">
<label>Your name <input name="name"></label>
<button>Say hello</button>
</form>
</body>
</html>
"""

app = App()
lamps = {1: False, 2: False}  # by number: whether it is on


@app.get("/lamps/<int:number>")
def read_lamp(request, number):
    if number not in lamps:
        abort(404, "no such lamp")
    return {"lamp": number, "on": lamps[number]}


@app.put("/lamps/<int:number>")
def switch_lamp(request, number):
    if request.json not in ({"on": True}, {"on": False}):
        abort(422, 'send {"on": true} or {"on": false}')
    if number not in lamps:
        abort(404, "no such lamp")
    lamps[number] = request.json == {"on": True}
    return read_lamp(request, number)


@app.get("/hello")
def form(request):
    return FORM


@app.post("/hello")
def hello(request):
    # As plain text, so that a name with HTML in it stays a name.
    return "Hello %s!\n" % request.form.get("name", "stranger"), 200, {"Content-Type": "text/plain; charset=utf-8"}


@app.post("/echo", stream=True)
async def echo(request):
    while True:
        piece = await request.read(1024)
        if not piece:
            return
        yield piece


@app.error(HTTPError)
def in_json(request, error):
    return Response({"status": error.status, "error": error.message}, error.status, error.headers)


if __name__ == "__main__":
    app.run(port=PORT)
