"""Served by test_live.py: WebSockets and an event stream in the heap of a board."""

import gc

from webhal import App, Topic
from webhal.sse import EventStream
from webhal.websocket import websocket

app = App()
topic = Topic(keep=4)


@app.get("/ws")
@websocket
async def talk(request, ws):
    async for message in ws:
        await ws.send(message)


@app.get("/events")
def events(request):
    return EventStream(topic)


@app.get("/publish/<value>")
def publish(request, value):
    topic.publish(value)
    return ""


@app.get("/used")
def used(request):
    gc.collect()
    return str(gc.mem_alloc())
