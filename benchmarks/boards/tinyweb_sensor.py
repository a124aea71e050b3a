"""sensor on tinyweb."""

from tinyweb import webserver

PAGE = "page.html"

app = webserver()
level = 0


@app.route("/")
async def page(request, response):
    await response.start_html()
    await response.send(PAGE)


@app.resource("/pin/<pin>")
def read_pin(data, pin):
    pin = int(pin)
    return {"pin": pin, "on": pin % 2 == 1}


class Api:
    def get(self, data):
        return {"temperature": 21.5, "humidity": 48, "level": level}

    def post(self, data):
        global level
        level = int(data["level"])
        return {"level": level}


@app.catchall()
async def missing(request, response):
    response.code = 404
    await response.start_html()
    await response.send("No such page: " + request.path.decode())


def main(port, connections):
    app.max_concurrency = connections
    app.add_resource(Api, "/api")
    app.run(port=port)
