"""Served in MicroPython's asyncio by test_hosting.py: handlers that are its tasks, and wait for webhal's own too."""

import asyncio

import webhal
from webhal import App, Topic, sleep_ms
from webhal.sse import EventStream
from webhal.websocket import websocket

app = App()
topic = Topic()
seen = []
ticks = []
told = []  # what was logged
webhal.log.report = lambda error: told.append(repr(error))


async def one():
    await asyncio.sleep(0.001)
    return 1


@app.get("/")
async def handler(request):
    event = asyncio.Event()
    asyncio.create_task(later(event))
    await event.wait()
    await sleep_ms(1)
    try:
        await asyncio.wait_for_ms(asyncio.Event().wait(), 1)
    except asyncio.TimeoutError:
        return {"numbers": await asyncio.gather(one(), one())}


async def later(event):
    await sleep_ms(1)
    event.set()


@app.get("/pieces")
async def pieces(request):
    try:
        for n in range(3):
            yield "piece %d " % n
            await asyncio.sleep(0.001)
    finally:
        seen.append("pieces")


@app.get("/plain")
def plain(request):
    yield "plain "
    yield from sleep_ms(1)
    yield "generator"


@app.post("/upload", stream=True)
async def upload(request):
    size = 0
    while True:
        piece = await request.read(256)
        if not piece:
            return {"size": size}
        size += len(piece)


@app.get("/fails/<int:n>")
async def fails(request, n):
    await asyncio.sleep(0)
    raise (ValueError, SystemExit, asyncio.CancelledError)[n]("see the log")


@app.get("/long")
async def long(request):
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.001)
        await sleep_ms(1)
        seen.append("long")


@app.get("/bare/<name>")
def bare(request, name):
    if name == "sleeps":
        for _ in range(20):
            yield from asyncio.sleep(0)
        yield "slept"
        return
    yield None if name == "nothing" else 5


@app.get("/values")
def values(request):
    return EventStream(value for value in ({"n": 1}, ("tick", [2])))


talking = {}


@app.get("/ws/<name>")
@websocket
async def talk(request, ws, name):
    talking[name] = ws
    try:
        if name == "waits":
            await asyncio.Event().wait()
        elif name == "gathers":
            await asyncio.gather(receive(ws), asyncio.Event().wait())
        else:
            await ws.receive()
            if name == "closes":
                await ws.close()
            await asyncio.sleep(0.001)
            seen.append(name + " goes on")
    finally:
        await asyncio.sleep(0.001)
        seen.append(name + " ends")


async def receive(ws):
    await ws.receive()


@app.get("/close/<name>")
def close(request, name):
    talking.pop(name).close()


@app.get("/read")
async def read(request):
    async for value in topic:
        return value


@app.get("/publish")
def publish(request):
    count = len(topic.waiting)
    topic.publish("published")
    return str(count)


@app.get("/seen")
def tell(request):
    return seen


@app.get("/told")
def tell_log(request):
    return told


@app.get("/talking")
def who_talks(request):
    return list(talking)


@app.get("/forget/<name>")
def forget(request, name):
    talking.pop(name, None)
    seen.clear()
    return ""


@app.on("start")
async def start():
    await asyncio.sleep(0.001)
    seen.append("start")


@app.every(0.01)
async def tick():
    await asyncio.sleep(0.001)
    if "ticks" not in seen:
        ticks.append(1)
        if len(ticks) == 3:
            seen.append("ticks")
