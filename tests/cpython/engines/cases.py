"""What HTTP and applications do, the same under every engine: each case asks engines_app.py through a client.

`client` is a TestClient, of the fake network or of a server in another process (client.py). The engines are in
test_hosting_engines.py, and in tests/micropython/test_engines.py; what one of them does differently is in DIFFERENT,
and in docs/scaling.md.
"""

from pathlib import Path

import pytest

HEAD = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
WAITS = 3000  # times that something is looked for, 10 ms apart
# What an engine does itself, so that the application's server never sees it: the cases that fail there, or those of
# REFUSED, and why. docs/scaling.md tells them in words.
DIFFERENT = {
    "workers": {
        "test_events": "each process has topics of its own",
    },
    "uvicorn": {
        "test_a_method_that_nobody_knows": "it answers 400, where its parser is httptools",
        "test_http_1_0": "it sends chunks to a client of HTTP/1.0",
        "version": "it answers 400",
    },
    "hypercorn": {
        "test_a_websocket_knows_how_it_was_closed": "it tells 1006, whatever the client says",
        "version": "it answers as if it were HTTP/1.1",
    },
    "granian": {
        "no-host": "it makes up an empty one",
        "length-and-chunks": "it ignores the length, and closes the connection after the answer",
        "chunk": "it answers 500, without a word to the application",
        "version": "it answers 400",
    },
}
REFUSED = {
    "no-host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two-hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "name": ("GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n", 400),
    "length": ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx", 400),
    "lengths": ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    "length-and-chunks": (
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunk": ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "version": ("GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505),
}


@pytest.fixture(autouse=True)
def differing(request, engine):
    """Let the cases fail that an engine decides itself; its next release may not."""
    case = request.node.callspec.params.get("refused", request.node.originalname)
    if reason := DIFFERENT.get(engine, {}).get(case):
        run = case != "test_events"  # which would wait for an event from heartbeat to heartbeat
        request.node.add_marker(pytest.mark.xfail(reason=reason, strict=False, run=run))


def until(client, condition):
    """Wait until that is so."""
    for _ in range(WAITS):
        if condition():
            return
        client.run(10)
    pytest.fail("it does not happen")


def until_seen(client, what):
    """Wait until the application has seen that."""
    until(client, lambda: what in client.get("/seen").json()["seen"])


def raw(client, data):
    """A connection on which that was sent."""
    peer = client.network.connect()
    peer.send(data.encode() if isinstance(data, str) else data)
    return peer


def until_received(client, peer, data):
    """Wait until that has come."""
    client.step_while(lambda: data not in peer.received and peer.state in ("connecting", "open"), 30_000)
    assert data in peer.received


# -- routing ------------------------------------------------------------------------------------------------


def test_a_route(client):
    response = client.get("/")
    assert (response.status, response.text) == (200, "hello")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-length"] == "5"


@pytest.mark.parametrize("path, text", [("/async", "later"), ("/blocking", "from a thread, where there are some")])
def test_handlers_that_take_time(client, path, text):
    assert client.get(path).text == text


def test_parameters_and_a_query(client):
    assert client.get("/json/5/a%20b?x=1&y=%C3%A4&x=2").json() == {
        "n": 5,
        "name": "a b",
        "args": [["x", "1"], ["y", "ä"], ["x", "2"]],
    }


def test_a_path_is_decoded_once_and_its_target_kept(client):
    assert client.get("/path/a%2Fb/%25?q=%20").json() == {
        "rest": "a/b/%",
        "target": "/path/a%2Fb/%25?q=%20",
        "path": "/path/a/b/%",
    }


def test_a_bad_escape_is_refused(client):
    assert client.get("/path/%zz").status == 400


def test_not_found(client):
    response = client.get("/nowhere")
    assert (response.status, response.text) == (404, "no /nowhere")


def test_not_allowed(client):
    response = client.delete("/")
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_options(client):
    response = client.options("/echo")
    assert (response.status, response.body) == (204, b"")
    assert response.headers["allow"] == "POST, PUT, OPTIONS"


def test_a_method_that_nobody_knows(client):
    assert client.request("BREW", "/").status == 501


def test_mounted(client):
    assert client.get("/admin/").text == "admin /admin/"
    assert client.get("/admin/sub/7").json() == {"n": 7}
    assert client.get("/admin/nowhere").text == "no /admin/nowhere"


def test_the_client_and_its_fields(client):
    peer = raw(client, "GET /about HTTP/1.1\r\nHost: x\r\nX-Several: 1\r\nX-Several: 2\r\nConnection: close\r\n\r\n")
    until_received(client, peer, b"}")
    body = peer.received.split(b"\r\n\r\n")[1]
    assert b'"x": ["1", "2"]' in body
    assert b'"client": "127.0.0.1"' in body or b'"client": "192.0.2.' in body


# -- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/bytes", "/pieces", "/promised", "/json/1/x", "/nowhere", "/large/5000"])
def test_head_has_the_fields_and_no_body(client, path):
    response = client.head(path)
    asked = client.get(path)
    assert (response.status, response.body) == (asked.status, b"")
    assert response.headers.get("content-type") == asked.headers.get("content-type")
    assert response.headers.get("content-length") == asked.headers.get("content-length")


def test_bytes_and_fields_with_several_values(client):
    response = client.get("/bytes")
    assert response.body == bytes(range(256))
    assert response.headers["x-kind"] == "octets"
    assert response.headers.getlist("set-cookie") == ["a=1", "b=2"]


def test_nothing(client):
    response = client.get("/nothing")
    assert (response.status, response.body) == (204, b"")
    assert "content-length" not in response.headers


def test_a_large_answer(client, large):
    assert client.get(f"/large/{large}").body == large * b"x"


def test_a_file(client):
    content = (Path(__file__).parent / "engines_app.py").read_bytes()
    assert client.get("/file").body == content
    response = client.get("/file", headers={"Range": "bytes=5-14"})
    assert (response.status, response.body) == (206, content[5:15])
    etag = client.head("/file").headers["etag"]
    assert client.get("/file", headers={"If-None-Match": etag}).status == 304


def test_pieces(client):
    for path in ("/pieces", "/apieces"):
        assert client.get(path).text == "piece 0 piece 1 piece 2 piece 3 piece 4 "


def test_pieces_of_a_length_that_was_promised(client):
    response = client.get("/promised")
    assert response.body == b"1234567890"
    assert response.headers["content-length"] == "10"
    assert "transfer-encoding" not in response.headers


def test_many_pieces(client, large):
    assert client.get(f"/many/{large // 1000}").body == large // 1000 * 1000 * b"m"


def test_a_piece_leaves_before_the_next_is_made(client):
    peer = raw(client, HEAD.format("/step"))
    until_received(client, peer, b"one")
    assert b"two" not in peer.received
    until(client, lambda: client.post("/go").status == 200 and (b"two" in peer.received or client.run(10)))
    peer.close()


def test_an_answer_that_is_cut_is_seen_to_be(client):
    peer = raw(client, HEAD.format("/cut"))
    client.raise_errors = False
    client.step_while(lambda: peer.state in ("connecting", "open"), 5_000)
    assert peer.state in ("ended", "reset")
    assert b"begun" in peer.received and b"\r\n0\r\n" not in peer.received
    client.raise_errors = True


def test_http_1_0(client):
    peer = raw(client, "GET /pieces HTTP/1.0\r\n\r\n")
    client.step_while(lambda: peer.state in ("connecting", "open"), 30_000)
    head, _, body = peer.received.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    assert body == b"piece 0 piece 1 piece 2 piece 3 piece 4 "


def test_requests_on_one_connection(client):
    peer = raw(client, 3 * HEAD.format("/"))
    client.step_while(lambda: peer.received.count(b"hello") < 3 and peer.state in ("connecting", "open"), 30_000)
    assert peer.received.count(b"hello") == 3
    peer.close()


def test_one_date(client):
    dates = client.get("/").headers.getlist("date")
    assert len(dates) <= 1  # a board may not know the time


# -- what a client sends ------------------------------------------------------------------------------------


def test_json(client):
    value = {"text": "ä", "list": [1, 2.5, None, True]}
    assert client.post("/json", json=value).json() == {"took": value}
    assert client.post("/json", body=b"{x", headers={"Content-Type": "application/json"}).status == 400


def test_a_form(client):
    assert client.post("/form", form={"name": "a b&c=ä"}).json() == {"name": "a b&c=ä"}
    assert client.post("/form", form={"other": "x"}).status == 400


def test_files(client):
    response = client.post("/files", form={"a": "1"}, files={"f": ("x.bin", 5000 * b"\r\n-")})
    assert response.json() == {"parts": [["a", None, 1], ["f", "x.bin", 15000]]}


def test_a_body_comes_back(client):
    for size in (0, 1, 1000, 10_000):
        assert client.post("/echo", body=size * b"e").body == size * b"e"
    response = client.put("/echo", body=b"put")
    assert (response.status, response.body) == (201, b"put")


def test_a_body_in_chunks(client):
    assert client.post("/echo", body=iter(["one ", "two ", 300 * "x"])).text == "one two " + 300 * "x"


def test_a_body_that_is_too_large(client, limit):
    assert client.post("/echo", body=limit * b"x").status == 200
    assert client.post("/echo", body=(limit + 1) * b"x").status == 413
    assert client.post("/echo", body=iter([limit * b"x", b"x"])).status == 413
    peer = raw(client, f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {limit + 1}\r\n\r\n")
    until_received(client, peer, b" 413 ")
    peer.close()


def test_an_upload_of_any_size(client, limit):
    assert client.post("/upload", body=3 * limit * b"u").json() == {"size": 3 * limit}
    assert client.post("/upload", body=iter(3 * [limit * b"u"])).json() == {"size": 3 * limit}


def test_an_upload_that_nobody_reads(client):
    assert client.post("/ignore", body=100 * b"x").text == "without reading"


def test_both_ways_at_once(client):
    peer = raw(client, "POST /duplex HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"first", b"second", b"third"):
        peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        until_received(client, peer, piece)
    peer.send(b"0\r\n\r\n")
    until_received(client, peer, b"\r\n0\r\n\r\n")
    peer.close()


def test_expecting_100_continue(client):
    peer = raw(client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    until_received(client, peer, b"HTTP/1.1 100 ")
    peer.send(b"body")
    until_received(client, peer, b"\r\n\r\nbody")
    peer.close()


@pytest.mark.parametrize("refused", REFUSED)
def test_a_request_that_is_refused(client, refused):
    data, status = REFUSED[refused]
    peer = raw(client, data)
    until_received(client, peer, b"\r\n\r\n")
    assert peer.received.startswith(b"HTTP/1.1 %d " % status)
    peer.close()


# -- hooks, errors, cookies ---------------------------------------------------------------------------------


def test_hooks(client):
    assert client.get("/").headers["x-hook"] == "before"
    response = client.get("/", headers={"X-Refused": "yes"})
    assert (response.status, response.text) == (403, "refused by the hook\n")


def test_errors(client):
    response = client.get("/odd")
    assert (response.status, response.json()) == (418, {"odd": "so it is"})
    response = client.get("/gone")
    assert (response.status, response.text) == (410, "it was here\n")


def test_a_fault_costs_its_request_alone(client):
    client.raise_errors = False
    response = client.get("/fails")
    assert (response.status, response.text) == (500, "Internal Server Error\n")
    client.raise_errors = True
    assert client.get("/").status == 200


def test_a_redirect_and_a_cookie(client):
    client.cookies.clear()
    assert client.get("/who").text == "nobody"
    response = client.get("/login")
    assert (response.status, response.headers["location"]) == (302, "/who")
    assert client.get("/who").text == "ada"
    client.cookies.clear()


# -- clients that leave -------------------------------------------------------------------------------------


def test_a_client_that_leaves_cancels_its_handler(client):
    peer = raw(client, HEAD.format("/long"))
    until_seen(client, "long begun")
    peer.close()
    until_seen(client, "long ended")


def test_a_client_that_leaves_ends_its_stream(client):
    peer = raw(client, HEAD.format("/endless"))
    until_received(client, peer, b"eee")
    peer.close()
    until_seen(client, "endless ended")


def test_a_client_that_leaves_within_its_body(client):
    peer = raw(client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome")
    client.run(20)
    peer.close()
    assert client.get("/").status == 200


# -- live ---------------------------------------------------------------------------------------------------


def test_events(client):
    events = client.events("/events")
    client.post("/publish", json={"n": 1})
    client.post("/publish", json="two\nlines")
    first = next(events)
    assert first.json() == {"n": 1}
    second = next(events)
    assert second.data == "two\nlines" and int(second.id) == int(first.id) + 1
    events.close()
    client.post("/publish", json="missed")
    again = client.events("/events", headers={"Last-Event-ID": second.id})
    assert next(again).data == "missed"
    again.close()


def test_a_websocket(client, limit):
    ws = client.websocket("/ws", protocols=["second", "third"])
    assert ws.protocol == "second"
    for message in ("text ä", b"\x00\xff", "", 200 * "m", min(limit, 70_000) * b"b"):
        ws.send(message)
        assert ws.receive() == message
    ws.close(1000)
    assert ws.code == 1000


def test_a_websocket_knows_how_it_was_closed(client):
    ws = client.websocket("/ws/code")
    assert ws.receive() == "begun"
    ws.close(3210)
    codes = []
    until(client, lambda: codes or codes.extend(client.get("/seen").json()["codes"]))
    assert codes == [3210]


def test_a_websocket_that_the_server_closes(client):
    ws = client.websocket("/ws")
    ws.send("bye")
    assert ws.receive() is None
    assert (ws.code, ws.reason) == (4000, "as you like")


def test_a_websocket_of_a_def(client):
    ws = client.websocket("/ws/def/ada")
    ws.send("hello")
    assert ws.receive() == "ada hello"
    ws.close()


def test_a_websocket_whose_client_leaves(client):
    ws = client.websocket("/ws/waits")
    until_seen(client, "ws waits")
    ws.peer.close()
    until_seen(client, "ws left")


def test_a_websocket_whose_handler_fails(client):
    ws = client.websocket("/ws/fails")
    client.raise_errors = False
    ws.send("x")
    assert ws.receive() is None
    assert ws.code == 1011
    client.raise_errors = True


def test_a_message_that_is_too_large(client, limit):
    ws = client.websocket("/ws")
    ws.send((limit + 1) * b"x")
    assert ws.receive() is None
    assert ws.code == 1009


def test_a_websocket_that_is_refused(client):
    with pytest.raises(ValueError, match="HTTP/1.1 403"):
        client.websocket("/ws/refused", headers={"Origin": "https://example.com"})
    with pytest.raises(ValueError, match="HTTP/1.1 404"):
        client.websocket("/nowhere")


def test_what_is_no_websocket(client):
    assert client.get("/ws").status == 426


# -- beside serving -----------------------------------------------------------------------------------------


def test_what_runs_beside_serving(client):
    until_seen(client, "tick")
    seen = client.get("/seen").json()["seen"]
    assert seen.count("start") == 1
