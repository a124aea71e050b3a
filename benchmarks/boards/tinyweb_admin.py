"""admin on tinyweb, which has no hooks, error handlers, cookies and HEAD."""

import json

from tinyweb import webserver

PAGE = "page.html"

app = webserver()
level = 0
name = "A lamp & co."


def route(path, methods=("GET",)):
    """A route with the hook and the error handler."""

    def register(handler):
        async def guarded(request, response, *parameter):
            if request.path.startswith(b"/admin") and request.headers.get(b"X-Key") != b"1234":
                await response.error(401, "The key, please")
                return
            try:
                await handler(request, response, *parameter)
            except ValueError:
                response.code = 422
                await send_json(response, {"error": "not a number"})

        fields = ["Content-Length", "Content-Type", "Cookie", "X-Key"]
        app.add_route(path, guarded, methods=methods, save_headers=fields)

    return register


async def send_json(response, value):
    response.add_header("Content-Type", "application/json")
    await response._send_headers()
    await response.send(json.dumps(value))


@route("/", methods=["GET", "HEAD"])
async def page(request, response):
    await response.start_html()
    if request.method != b"HEAD":
        await response.send(PAGE)


@route("/api", methods=["GET", "POST"])
async def api(request, response):
    global level
    if request.method == b"POST":
        data = await request.read_parse_form_data()
        level = int(data["level"])
        await send_json(response, {"level": level})
    else:
        await send_json(response, {"temperature": 21.5, "humidity": 48, "level": level})


@route("/pin/<pin>")
async def read_pin(request, response, pin):
    pin = int(pin)
    await send_json(response, {"pin": pin, "on": pin % 2 == 1})


@route("/admin/name", methods=["GET", "POST"])
async def form(request, response):
    global name
    if request.method == b"POST":
        data = await request.read_parse_form_data()
        name = data["name"]
        response.add_header("Location", "/admin/name")
        await response.error(303)
    else:
        await send_json(response, {"name": name})


@route("/visits")
async def visits(request, response):
    count = 1
    for cookie in request.headers.get(b"Cookie", b"").split(b"; "):
        if cookie.startswith(b"visits="):
            count += int(cookie[7:])
    response.add_header("Set-Cookie", "visits=%d; Path=/; HttpOnly" % count)
    await response.start_html()
    await response.send("Visit %d" % count)


@route("/log")
async def log(request, response):
    await response.start_html()
    for number in range(40):
        await response.send("%05d\n" % number * 85)


@app.catchall()
async def missing(request, response):
    response.code = 404
    await response.start_html()
    await response.send("No such page: " + request.path.decode())


def main(port, connections):
    app.max_concurrency = connections
    app.run(port=port)
