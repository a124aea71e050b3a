"""The application that cases.py asks under every engine: what applications do, on PCs and on boards alike."""

from webhal import App, HTTPError, Response, Topic, abort, redirect, sleep_ms
from webhal.multipart import parts
from webhal.sse import EventStream
from webhal.static import send_file
from webhal.topic import Event
from webhal.websocket import websocket

app = App()
admin = App()
topic = Topic()
go = Event()
seen = []  # what has happened, for /seen
codes = []  # with which WebSockets were closed


class Odd(Exception):
    """What the application has an error handler for."""


# -- plain answers ------------------------------------------------------------------------------------------


@app.get("/")
def hello(request):
    return "hello"


@app.get("/async")
async def later(request):
    await sleep_ms(1)
    return "later"


@app.get("/blocking", blocking=True)
def blocking(request):
    return "from a thread, where there are some"


@app.get("/json/<int:n>/<name>")
def values(request, n, name):
    return {"n": n, "name": name, "args": request.args.items()}


@app.get("/path/<path:rest>")
def rest(request, rest):
    return {"rest": rest, "target": request.target, "path": request.path}


@app.get("/about")
def about(request):
    return {"method": request.method, "client": request.client[0], "x": request.headers.getlist("x-several")}


@app.get("/bytes")
def octets(request):
    return Response(bytes(range(256)), 200, {"X-Kind": "octets", "Set-Cookie": ["a=1", "b=2"]})


@app.get("/nothing")
def nothing(request):
    return None


@app.get("/large/<int:size>")
def large(request, size):
    return size * b"x"


@app.get("/file")
def file(request):
    return send_file("engines_app.py")


# -- what a client sends ------------------------------------------------------------------------------------


@app.post("/json")
def take_json(request):
    return {"took": request.json}


@app.post("/form")
def take_form(request):
    return {"name": request.form["name"]}


@app.post("/echo")
def echo(request):
    return request.body


@app.put("/echo")
def echo_put(request):
    return request.body, 201


@app.post("/upload", stream=True)
async def upload(request):
    size = 0
    while True:
        piece = await request.read(1024)
        if not piece:
            return {"size": size}
        size += len(piece)


@app.post("/duplex", stream=True)
async def duplex(request):
    while True:
        piece = await request.read(1024)
        if not piece:
            break
        yield piece


@app.post("/ignore", stream=True)
async def ignore(request):
    return "without reading"


@app.post("/files", stream=True)
async def files(request):
    found = []
    async for part in parts(request):
        size = 0
        while True:
            piece = await part.read(512)
            if not piece:
                break
            size += len(piece)
        found.append([part.name, part.filename, size])
    return {"parts": found}


# -- cookies, redirects, errors -----------------------------------------------------------------------------


@app.get("/login")
def login(request):
    response = redirect("/who")
    response.set_cookie("user", "ada")
    return response


@app.get("/who")
def who(request):
    return request.cookies.get("user", "nobody")


@app.get("/odd")
def odd(request):
    raise Odd("so it is")


@app.get("/fails")
def fails(request):
    raise RuntimeError("as the test wants it")


@app.get("/gone")
def gone(request):
    abort(410, "it was here")


@app.error(Odd)
def on_odd(request, error):
    return {"odd": str(error)}, 418


@app.error(404)
def on_404(request, error):
    return "no " + request.path


@app.before_request
def before(request):
    if request.headers.get("x-refused"):
        raise HTTPError(403, "refused by the hook")
    request.state.hook = "before"


@app.after_request
def after(request, response):
    response.headers["X-Hook"] = getattr(request.state, "hook", "none")


@admin.get("/")
def admin_home(request):
    return "admin " + request.path


@admin.get("/sub/<int:n>")
def admin_sub(request, n):
    return {"n": n}


app.mount("/admin", admin)


# -- answers piece by piece ---------------------------------------------------------------------------------


@app.get("/pieces")
def pieces(request):
    for n in range(5):
        yield "piece %d " % n


@app.get("/apieces")
async def apieces(request):
    for n in range(5):
        await sleep_ms(1)
        yield "piece %d " % n


@app.get("/promised")
def promised(request):
    return Response(iter([b"12345", b"67890"]), 200, {"Content-Length": "10", "Content-Type": "text/plain"})


@app.get("/many/<int:count>")
def many(request, count):
    for _ in range(count):
        yield 1000 * b"m"


@app.get("/step")
async def step(request):
    go.clear()
    yield "one"
    await go.wait()
    yield "two"


@app.post("/go")
def set_go(request):
    go.set()
    return ""


@app.get("/cut")
def cut(request):
    yield "begun"
    raise RuntimeError("as the test wants it")


@app.get("/events")
def events(request):
    return EventStream(topic)


@app.post("/publish")
def publish(request):
    topic.publish(request.json)
    return ""


@app.get("/long")
async def long(request):
    seen.append("long begun")
    try:
        await sleep_ms(100_000)
    finally:
        await sleep_ms(1)
        seen.append("long ended")


@app.get("/endless")
async def endless(request):
    try:
        while True:
            yield 1000 * b"e"
            await sleep_ms(1)
    finally:
        seen.append("endless ended")


# -- WebSockets ---------------------------------------------------------------------------------------------


@app.get("/ws")
@websocket(protocols=["first", "second"])
async def talk(request, ws):
    async for message in ws:
        if message == "bye":
            await ws.close(4000, "as you like")
        else:
            await ws.send(message)


@app.get("/ws/code")
@websocket
async def code(request, ws):
    await ws.send("begun")
    await ws.receive()
    codes.append(ws.code)


@app.get("/ws/def/<name>")
@websocket
def answer(request, ws, name):
    ws.on_message = lambda message: ws.send(name + " " + message)


@app.get("/ws/refused")
@websocket(origins=["https://example.org"])
async def never(request, ws):
    pass


@app.get("/ws/fails")
@websocket
async def ws_fails(request, ws):
    await ws.receive()
    raise RuntimeError("as the test wants it")


@app.get("/ws/waits")
@websocket
async def ws_waits(request, ws):
    seen.append("ws waits")
    try:
        await sleep_ms(100_000)
    finally:
        seen.append("ws left")


# -- beside serving -----------------------------------------------------------------------------------------


@app.get("/seen")
def show(request):
    return {"seen": seen, "codes": codes}


@app.on("start")
async def start():
    await sleep_ms(1)
    seen.append("start")
    print("started")


@app.every(0.005)
def tick():
    if "tick" not in seen:
        seen.append("tick")


@app.on("stop")
async def stop():
    await sleep_ms(1)
    print("stopped")
