"""WebSockets and event streams before other people's clients: websockets, aiohttp, Chromium; and garbage."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import sys

import aiohttp
import pytest
import websockets
from hosted import PATIENCE_S, run, serving
from hypothesis import given, settings
from hypothesis import strategies as st

import webhal.log
from webhal import App, Topic, sleep_ms
from webhal.sse import EventStream
from webhal.testing.fake import FakeNetwork
from webhal.testing.live import frame, handshake
from webhal.topic import Event
from webhal.websocket import websocket

LARGE = os.urandom(300_000)


def echo(**options):
    app = App()

    @app.get("/ws")
    @websocket(protocols=["chat"], **options)
    async def talk(request, ws):
        async for message in ws:
            await ws.send(message)

    return app


MESSAGES = ["", "text", "gr\xf6\xdfe \U0001f600", b"", b"\x00\xff", 70_000 * "x", LARGE]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets(compression):
    async def main():
        async with serving(echo()) as port:
            uri = f"ws://127.0.0.1:{port}/ws"
            async with websockets.connect(uri, compression=compression, subprotocols=["chat"], max_size=None) as ws:
                assert ws.subprotocol == "chat"
                for message in MESSAGES:
                    await ws.send(message)
                    assert await ws.recv() == message
                await ws.send(["in ", "fragments"])
                assert await ws.recv() == "in fragments"
                await (await ws.ping())
                await ws.close(4000, "enough")
                assert ws.close_code == 4000

    run(main())


@pytest.mark.parametrize("compress", [0, 15])
def test_aiohttp(compress):
    async def main():
        async with serving(echo()) as port, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{port}/ws", compress=compress, max_msg_size=0) as ws:
                for message in MESSAGES:
                    await (ws.send_str if isinstance(message, str) else ws.send_bytes)(message)
                    assert (await ws.receive(PATIENCE_S)).data == message

    run(main())


def test_without_asyncio(start, tmp_path):
    (tmp_path / "app.py").write_text("""
from webhal import App
from webhal.topic import Event
from webhal.websocket import websocket
app = App()
@app.get("/ws")
@websocket
def talk(request, ws):
    ws.on_message = ws.send
app.on("listen")(lambda address, port: print("port", port, flush=True))
app.run(port=0, host="127.0.0.1")
""")
    port = int(start("app.py", cwd=tmp_path).line(r"^port (\d+)")[1])

    async def main():
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message

    run(main())


async def both(ws):
    async def receive():
        async for message in ws:
            if message == "close":
                await ws.close()

    await asyncio.gather(receive(), asyncio.Queue().get())


async def group(ws):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.Queue().get())
        tasks.create_task(sends(ws))


async def receives(ws):
    assert await ws.receive() is None


async def closes(ws):
    await ws.receive()
    await ws.close()


async def sends(ws):
    while True:
        await ws.send(LARGE)


WAITS = {
    "queue": lambda ws: asyncio.Queue().get(),
    "sleep": lambda ws: sleep_ms(1_000_000),
    "both": both,
    "receives": receives,
    "closes": closes,
    "sends": sends,
}
if sys.version_info >= (3, 11):
    WAITS["group"] = group
ENDS = {"receives": "goes on", "closes": "goes on", "sends": "OSError", "group": "ExceptionGroup"}


@pytest.mark.parametrize("way", ["close", "abort", "other"])
@pytest.mark.parametrize("name", WAITS)
def test_a_handler_ends_with_its_websocket_wherever_it_waits(name, way):
    """It is cancelled, unless it closes, receives or sends itself; of tasks that it made it does not matter."""
    app = App()
    logged = []

    async def main():
        talking = asyncio.get_running_loop().create_future()
        ended = asyncio.get_running_loop().create_future()

        @app.get("/")
        @websocket
        async def talk(request, ws):
            talking.set_result(ws)
            try:
                await WAITS[name](ws)
                await asyncio.sleep(0.001)
                ended.set_result("goes on")
            except BaseException as error:
                if name != "group":  # which, from Python 3.13 on, cancels once more itself
                    await asyncio.sleep(0.001)  # it is not cancelled twice
                ended.set_result(type(error).__name__)
                raise

        async with serving(app) as port:
            client = await websockets.connect(f"ws://127.0.0.1:{port}/", compression=None, max_queue=1, close_timeout=1)
            ws = await talking
            while name in ("sends", "group") and not ws.senders:
                await asyncio.sleep(0.001)
            while name != "sends" and name != "closes" and not (ws.receiver or ws.job.waiting):
                await asyncio.sleep(0.001)
            if name == "closes":
                await client.send("text")
            elif way == "close":
                closing = asyncio.create_task(client.close())
            elif way == "abort":
                client.transport.abort()
            else:
                await ws.close()
            end = await asyncio.wait_for(ended, PATIENCE_S)
            assert end == ENDS.get(name, "CancelledError")
            client.transport.abort()
            with contextlib.suppress(NameError):
                await closing

    webhal.log.report = logged.append
    try:
        run(main())
    finally:
        webhal.log.report = None
    assert not logged


PAGE = """<!DOCTYPE html>
<title>live</title>
<p id="told"></p>
<img src="/wait" alt="">
<script>
const told = [];
const tell = (what) => {
  told.push(what);
  if (told.length < 3) return;
  document.getElementById("told").textContent = told.sort().join(", ");
  fetch("/told", {method: "POST"});
};
const ws = new WebSocket("ws://" + location.host + "/ws");
ws.onopen = () => ws.send("gr\xf6\xdfe");
ws.onmessage = (event) => { tell("echo " + event.data); ws.close(3001, "bye"); };
ws.onclose = (event) => tell("close " + event.code + " " + event.wasClean);
const events = new EventSource("/events");
events.addEventListener("tick", (event) => {
  tell("event " + JSON.parse(event.data).n + " " + event.lastEventId);
  events.close();
});
</script>
"""


def test_chromium(dump_dom):
    app = echo()
    topic = Topic(last=1)
    topic.publish(("tick", {"n": 7}))
    app.get("/")(lambda request: PAGE)
    app.get("/events")(lambda request: EventStream(topic))
    app.post("/told")(lambda request: told.set())
    told = Event()

    @app.get("/wait")
    async def wait(request):  # until then the page is not loaded
        await told.wait()
        return ""

    async def main():
        async with serving(app) as port:
            dom = await asyncio.get_running_loop().run_in_executor(None, dump_dom, f"http://127.0.0.1:{port}/")
            assert "close 3001 true, echo gr\xf6\xdfe, event 7 1" in dom

    run(main())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.builds(frame, st.integers(0, 15), st.binary(max_size=140)), max_size=8))
def test_garbage_ends_in_a_close_or_in_nothing(pieces):
    import webhal.log
    from webhal.server import Server

    net = FakeNetwork(harsh=False)
    server = Server(echo(limit=1000), net)
    logged = []
    webhal.log.report = logged.append
    try:
        server.open()
        client = net.connect()
        client.send(handshake("/ws"))
        for piece in pieces:
            client.send(piece)
            for _ in range(3):
                server.step(0)
        client.shutdown()
        for _ in range(200):
            server.step(100)
        assert not server.slots and not server.jobs and not logged
        server.close()
    finally:
        webhal.log.report = None


def test_a_publish_reaches_a_thousand_of_each_and_costs_them_little():
    app = App()
    topic = Topic()
    app.get("/events")(lambda request: EventStream(topic))

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        async for value in topic:
            await ws.send(value)

    key = base64.b64encode(bytes(16)).decode()
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"

    async def main():
        async with serving(app) as port:
            with contextlib.ExitStack() as stack:
                loop = asyncio.get_running_loop()
                clients = []
                for n in range(200):
                    client = stack.enter_context(socket.socket())
                    client.setblocking(False)
                    await loop.sock_connect(client, ("127.0.0.1", port))
                    path, more = (("/events", ""), ("/ws", fields))[n % 2]
                    await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
                    clients.append(client)
                while len(topic.waiting) < len(clients):
                    await asyncio.sleep(0.001)
                topic.publish(json.dumps({"value": 21.5}))
                for client in clients:
                    data = b""
                    while b'{"value": 21.5}' not in data:
                        data += await loop.sock_recv(client, 4096)

    run(main())
