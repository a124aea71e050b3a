"""webhal run behind nginx, haproxy and Caddy: exactly the configurations of docs/proxies.md, but for their ports."""

import contextlib
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from programs import tool

PAGE = (Path(__file__).resolve().parents[2] / "docs/proxies.md").read_text("utf-8")
PATIENCE_S = 30
CLIENT = "127.0.0.2"  # who connects: not the proxy, and not trusted

APP = """
from webhal import App, sleep_ms
from webhal.sse import EventStream
from webhal.websocket import websocket

app = App()

@app.get("/")
def see(request):
    return {"client": request.client[0], "scheme": request.scheme, "host": request.headers["host"]}

@app.post("/")
def size(request):
    return {"size": len(request.body), "client": request.client[0]}

@app.get("/ws")
@websocket
async def echo(request, ws):
    async for message in ws:
        await ws.send(request.client[0] + " " + message)

@app.get("/events")
def events(request):
    async def source():
        yield "first"
        await sleep_ms(60_000)
    return EventStream(source())
"""

# What a client may send to be taken for somebody else.
SPOOFED = """X-Forwarded-For: 198.51.100.7
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: https
X-Forwarded-Host: evil.example
Forwarded: for=198.51.100.7;proto=https;host=evil.example
""".replace("\n", "\r\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configurations(language):
    """The page's configurations of a program."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)


def nginx(folder, text):
    main = folder / "main.conf"
    (folder / "site.conf").write_text(text)
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n" for kind in "client_body proxy fastcgi uwsgi scgi".split()
    )
    main.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{temporary}    include {folder}/site.conf;\n}}\n"
    )
    return [tool("nginx"), "-p", folder, "-c", main, "-e", "stderr"]


def haproxy(folder, text):
    (folder / "haproxy.cfg").write_text(text)
    return [tool("haproxy"), "-db", "-f", folder / "haproxy.cfg"]


def caddy(folder, text):
    (folder / "Caddyfile").write_text("{\n    admin off\n}\n" + text)
    return [tool("caddy"), "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]


@pytest.fixture
def behind(start, tmp_path):
    """behind(proxy, text, *options): the port of a proxy with that configuration, behind which webhal runs."""
    with contextlib.ExitStack() as stack:

        def run(proxy, text, *options):
            (tmp_path / "app.py").write_text(APP)
            arguments = ["run", tmp_path / "app.py", "--host", "127.0.0.1", "--port", "0", *options]
            port = start.webhal(*arguments).line(r"Serving on https?://127.0.0.1:(\d+)/")[1]
            own = free_port()
            assert "127.0.0.1:8000" in text and "8080" in text
            text = text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
            text = text.replace("listen 8080", f"listen 127.0.0.1:{own}").replace("bind :8080", f"bind 127.0.0.1:{own}")
            text = text.replace(":8080 {", f"http://:{own} {{\n    bind 127.0.0.1")
            errors = stack.enter_context(open(tmp_path / "errors", "w+"))
            environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
            process = subprocess.Popen(
                proxy(tmp_path, text), stdout=errors, stderr=errors, stdin=subprocess.DEVNULL, env=environment
            )
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.kill)
            end = time.monotonic() + PATIENCE_S
            while True:
                try:
                    connect(own).close()
                    return own
                except ConnectionRefusedError:
                    assert process.poll() is None and time.monotonic() < end, (tmp_path / "errors").read_text()
                    time.sleep(0.02)

        yield run


def connect(port):
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (CLIENT, 0))


def receive(client, until):
    received = b""
    while until not in received:
        data = client.recv(65536)
        assert data, received
        received += data
    return received


def request(head, body=b""):
    return head.replace("\n", "\r\n").encode() + SPOOFED.encode() + b"\r\n" + body


def ask(port, head, body=b"", until=b"}"):
    with connect(port) as client:
        client.sendall(request(head, body))
        return receive(client, until)


PROXIES = {"nginx": (nginx, "nginx"), "haproxy": (haproxy, "haproxy"), "caddy": (caddy, "caddyfile")}


@pytest.mark.parametrize("name", PROXIES)
def test_documented_configuration(behind, name):
    proxy, language = PROXIES[name]
    port = behind(proxy, configurations(language)[0], "--proxy-headers", "--deadline-idle", "75")
    for host in (f"127.0.0.1:{port}", "shop.example"):
        answer = ask(port, f"GET / HTTP/1.1\nHost: {host}\n")
        assert f'{{"client": "{CLIENT}", "scheme": "http", "host": "{host}"}}'.encode() in answer
    # A body that is larger than any buffer on its way.
    size = 900_000
    answer = ask(port, f"POST / HTTP/1.1\nHost: a\nContent-Length: {size}\n", b"x" * size)
    assert f'{{"size": {size}, "client": "{CLIENT}"}}'.encode() in answer
    # An event arrives while the stream goes on.
    assert b"data: first" in ask(port, "GET /events HTTP/1.1\nHost: a\n", until=b"data: first\n\n")
    # The origin is compared with the host that the page was loaded from.
    handshake = "GET /ws HTTP/1.1\nHost: shop.example\nUpgrade: websocket\nConnection: Upgrade\n"
    handshake += "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nOrigin: http://%s\n"
    with connect(port) as client:
        client.sendall(request(handshake % "shop.example"))
        assert b" 101 " in receive(client, b"\r\n\r\n")
        client.sendall(b"\x81\x85\0\0\0\0hello")
        receive(client, CLIENT.encode() + b" hello")
    assert b" 403 " in ask(port, handshake % "evil.example", until=b"\r\n\r\n")


@pytest.mark.parametrize("version", ["send-proxy-v2", "send-proxy"])
def test_proxy_protocol(behind, version):
    text = configurations("haproxy")[1]
    assert "send-proxy-v2" in text
    port = behind(haproxy, text.replace("send-proxy-v2", version), "--proxy-protocol", "--proxy-headers")
    answer = ask(port, "GET / HTTP/1.1\nHost: a\n")
    assert f'"client": "{CLIENT}"'.encode() in answer and b'"host": "a"' in answer


def test_proxy_protocol_before_tls(behind, tmp_path, monkeypatch):
    pytest.importorskip("trustme")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    port = behind(haproxy, configurations("haproxy")[1], "--proxy-protocol", "--self-signed")
    context = ssl.create_default_context(cafile=tmp_path / "webhal/self-signed.pem")
    with context.wrap_socket(connect(port), server_hostname="localhost") as client:
        client.sendall(request("GET / HTTP/1.1\nHost: a\n"))
        assert f'{{"client": "{CLIENT}", "scheme": "https", "host": "a"}}'.encode() in receive(client, b"}")


def test_each_configuration_of_the_page_is_run():
    assert len(re.findall(r"(?m)^```(?!python)\w+$", PAGE)) == len(PROXIES) + 1
