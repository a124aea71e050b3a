"""hello on webhal with one more feature; each function adds the one of its name. It tells how much heap is in use."""

import gc
import sys

from webhal_hello import app


@app.get("/memory")
def memory(request):
    gc.collect()
    return "%d" % gc.mem_alloc()


@app.get("/modules")
def modules(request):
    return "\n".join(sys.modules)


def nothing():
    pass


missing = nothing


def parameter():
    @app.get("/feature/<int:number>")
    def feature(request, number):
        return "%d" % number


def response():
    @app.get("/feature/1")
    def feature(request):
        return "created", 201, {"Location": "/"}


def json():
    @app.post("/feature/1")
    def feature(request):
        return request.json


def form():
    @app.post("/feature/1")
    def feature(request):
        return request.form["name"]


def query():
    @app.get("/feature/1")
    def feature(request):
        return request.args["name"]


def cookie():
    @app.get("/feature/1")
    def feature(request):
        from webhal import Response

        answer = Response("set")
        answer.set_cookie("name", "value")
        return answer


def hooks():
    @app.before_request
    def before(request):
        pass

    @app.after_request
    def after(request, answer):
        pass


def events():
    @app.on("response")
    def feature(request, status, size):
        pass


def pieces():
    @app.get("/feature/1")
    def feature(request):
        yield "one"
        yield "two"


def template():
    from webhal.templates import render

    @app.get("/feature/1")
    def feature(request):
        readings = ({"name": "sensor <%d>" % i, "value": 20 + i / 8} for i in range(50))
        return render("readings.html", place="Greenhouse", readings=readings, level=3)


def asynchronous():
    @app.get("/feature/1")
    async def feature(request):
        from webhal import sleep_ms

        await sleep_ms(1)
        return "slept"


def upload():
    @app.post("/feature/1", stream=True)
    async def feature(request):
        while await request.read(100):
            pass
        return "read"


def files():
    @app.post("/feature/1")
    def feature(request):
        return request.files["name"].body


def streamed_files():
    @app.post("/feature/1", stream=True)
    async def feature(request):
        from webhal.multipart import parts

        async for part in parts(request):
            while await part.read(100):
                pass
        return "read"


def main(port, connections, feature):
    globals()[feature]()
    app.run(port=port, connections=connections)
