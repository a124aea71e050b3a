"""Forms with files in handlers: form, files and parts over the fake network, and files that are saved."""

import json
import os

from serving import body_of, chunks, get, raises, serve

from webhal import App, sleep_ms
from webhal.multipart import parts
from webhal.testing import TestClient

KIND = "Content-Type: multipart/form-data; boundary=xx\r\n"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="f"; filename="b.txt"\r\n\r\n'
BODY = b"before\r\n--xx\r\n" + FILE + b"1\r\n--x\r\n--xy\r\r\n--xx\r\n" + FIELD + b"\r\n--xx--\r\nafter"
READ = [["f", "b.txt", "1\r\n--x\r\n--xy\r"], ["a", None, ""]]


# -- form and files -------------------------------------------------------------------------------------------


def shop():
    app = App()

    @app.post("/")
    def order(request):
        files = [[name, file.name, file.type, len(file.body)] for name, file in request.files.items()]
        return {"form": [list(pair) for pair in request.form.items()], "files": files}

    @app.post("/picture")
    def picture(request):
        return request.files["picture"].body

    @app.post("/parts")
    async def streamed(request):
        await request.read(1)  # of a body that is here this takes nothing from the form
        return await seen(request)

    @app.post("/stream", stream=True)
    async def stream(request):
        return await seen(request)

    async def seen(request):
        found = []
        async for part in parts(request):
            data = b""
            while True:
                piece = await part.read(3)
                if not piece:
                    break
                assert len(piece) <= 3
                data += piece
            found.append([part.name, part.filename, str(data, "utf-8")])
        return found

    @app.post("/skip", stream=True)
    async def skip(request):
        found = []
        async for part in parts(request):
            found.append([part.name, str(await part.read(1), "utf-8")])
        return found

    return app


def test_form_and_files():
    client = TestClient(shop())
    files = {"f": ("größe.txt", "ü"), "g": [("", b""), ('a"b.html', b"<p>", "text/html; charset=utf-8")]}
    answer = client.post("/", form={"a": 1, "ü": "x\r\n--boundary"}, files=files).json()
    assert answer["form"] == [["a", "1"], ["ü", "x\r\n--boundary"]]
    assert sorted(answer["files"]) == [
        ["f", "größe.txt", "application/octet-stream", 2],
        ["g", "", "application/octet-stream", 0],
        ["g", 'a"b.html', "text/html; charset=utf-8", 3],
    ]
    assert client.post("/picture", files={"picture": ("p", b"\0\xff" * 99)}).body == b"\0\xff" * 99
    assert client.post("/picture", files={"other": ("p", b"")}).text == "picture is missing\n"
    assert client.post("/", files={}).json() == {"form": [], "files": []}
    assert client.post("/", form={"a": "b"}).json() == {"form": [["a", "b"]], "files": []}
    assert client.post("/").json() == {"form": [], "files": []}


def test_text_of_a_field_is_never_an_error():
    body = b"--xx\r\n" + FIELD + b"\xff\r\n--xx\r\n" + FIELD + b"%41+\r\n--xx--"
    answer = TestClient(shop()).post("/", body=body, headers={"Content-Type": "multipart/form-data; boundary=xx"})
    assert answer.json()["form"] == [["a", "\ufffd"], ["a", "%41+"]]


def test_forms_of_other_types_and_malformed_ones():
    client = TestClient(shop())
    for kind, body, status in (
        ("text/plain", b"a", 415),
        ("multipart/form-data", b"--xx--", 400),
        ("multipart/form-data; boundary=xx", b"a", 400),
        ("multipart/form-data; boundary=xx", b"--xx\r\n" + FIELD, 400),
        ("multipart/form-data; boundary=xx", b"--xx--", 200),
        ("Multipart/Form-Data;boundary=xx", b"--xx--", 200),
    ):
        for path in ("/", "/parts", "/stream"):
            assert client.post(path, body=body, headers={"Content-Type": kind}).status == status, (kind, body, path)


# -- parts, in handlers ---------------------------------------------------------------------------------------


def test_parts_of_a_body_that_comes_in_pieces_and_of_one_that_is_here():
    client = TestClient(shop(), buffer=70)
    for path in ("/parts", "/stream"):
        found = client.post(path, form={"a": "1234"}, files={"f": ("b/c.txt", b"12345678" * 20)}).json()
        assert found == [["a", None, "1234"], ["f", "c.txt", "12345678" * 20]], path
        assert client.post(path, files={}).json() == []


def test_parts_over_a_harsh_network():
    head = "Content-Length: %d\r\n" % len(BODY) + KIND
    for seed in range(6):
        for fields, body in ((head, BODY), (KIND + "Transfer-Encoding: chunked\r\n", chunks(BODY[:50], BODY[50:]))):
            with serve(shop(), seed, body=400, buffer=64) as bench:
                for path in ("/stream", "/parts"):
                    client = bench.connect(get(path, fields, "POST") + body)
                    bench.until(lambda client=client: client.received.endswith(b"]]"))
                    assert json.loads(str(body_of(client.read()), "utf-8")) == READ
                    client.send(get("/none"))  # the epilogue was read, too
                    bench.until(lambda client=client: b"HTTP/1.1 404 " in client.received)
                    client.close()


def test_what_is_not_read_of_a_part_is_skipped():
    found = TestClient(shop(), buffer=64).post("/skip", form={"a": "1" * 500, "b": "", "c": "345"}, files={}).json()
    assert sorted(found) == [["a", "1"], ["b", ""], ["c", "3"]]


def test_a_part_is_read_before_the_next():
    app = App()

    @app.post("/", stream=True)
    async def handler(request):
        kept = []
        async for part in parts(request):
            kept.append(part)
        return await kept[0].read()

    @app.post("/none", stream=True)
    async def none(request):
        async for part in parts(request):
            return await part.read(0)

    client = TestClient(app)
    files = {"f": ("a", b"1"), "g": ("b", b"2")}
    assert "before the next" in str(raises(RuntimeError, lambda: client.post("/", files=files)))
    assert "at least 1, not 0" in str(raises(ValueError, lambda: client.post("/none", files=files)))


def test_limits_of_a_streamed_form():
    app = shop()
    client = TestClient(app, body=100)
    assert client.post("/stream", files={"f": ("a", b"1" * 500)}).json() == [["f", "a", "1" * 500]]
    assert client.post("/stream", form={"a": "1" * 60, "b": "2" * 40}, files={}).status == 200
    assert client.post("/stream", form={"a": "1" * 60, "b": "2" * 41}, files={}).status == 413


def test_an_end_that_is_missing_and_a_client_that_leaves():
    with serve(shop()) as bench:
        fields = "Content-Length: %d\r\n" % (len(BODY) - 20) + KIND
        answer = bench.ask(get("/stream", fields, "POST") + BODY[:-20])
        assert answer.startswith(b"HTTP/1.1 400 ") and b"multipart/form-data: end" in answer


# -- saving ---------------------------------------------------------------------------------------------------

FOLDER = "forms-test-%d" % int.from_bytes(os.urandom(4), "little")  # tests run beside each other


def contents(name):
    with open(FOLDER + "/" + name, "rb") as file:
        return file.read()


class folder:
    """A folder that is empty, and must be so but for `left`."""

    def __init__(self, *left):
        self.left = left

    def __enter__(self):
        os.mkdir(FOLDER)

    def __exit__(self, kind, error, trace):
        found = sorted(os.listdir(FOLDER))
        for name in found:
            os.remove(FOLDER + "/" + name)
        os.rmdir(FOLDER)
        assert kind or found == sorted(self.left), found


def keeper():
    app = App()
    app.saved = []

    @app.post("/", stream=True)
    async def keep(request):
        async for part in parts(request):
            if part.filename:
                await part.save(FOLDER + "/" + part.filename)
                app.saved.append(part.filename)
        return "kept"

    @app.post("/nowhere", stream=True)
    async def nowhere(request):
        async for part in parts(request):
            try:
                await part.save(FOLDER + part.filename + "/")
            except OSError:
                return "not kept"

    @app.post("/late", stream=True)
    async def late(request):
        async for part in parts(request):
            head = await part.read(2)
            await sleep_ms(100)
            await part.save(FOLDER + "/" + str(head, "utf-8"))

    return app


def test_save():
    with folder("a.txt", "b.bin", "xy"):
        client = TestClient(keeper(), buffer=128)
        files = {"f": [("a.txt", b"old"), ("../b.bin", bytes(range(256)) * 9)], "g": ("", b"")}
        assert client.post("/", form={"x": "y"}, files=files).text == "kept"
        assert contents("a.txt") == b"old" and contents("b.bin") == bytes(range(256)) * 9
        assert client.post("/", files={"f": ("a.txt", b"new one")}).text == "kept"
        assert contents("a.txt") == b"new one"
        assert client.post("/late", files={"f": ("a.txt", b"xy12345")}).status == 204
        assert contents("xy") == b"12345"


def test_save_where_nothing_can_be_saved():
    with folder():
        assert TestClient(keeper()).post("/nowhere", files={"f": ("a.txt", b"1")}).text == "not kept"


def test_an_upload_that_breaks_off_leaves_nothing():
    data = b'--xx\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n' + b"x" * 1000
    head = get("/", "Content-Length: 5000\r\n" + KIND, "POST")
    with folder("a.txt"):
        app = keeper()
        with open(FOLDER + "/a.txt", "wb") as file:
            file.write(b"old")
        with serve(app, harsh=False, deadlines=(1, 2, 1, 1)) as bench:
            client = bench.connect(head + data)
            bench.until(lambda: len(os.listdir(FOLDER)) == 2)
            bench.run(50)
            assert contents("a.txt") == b"old"
            assert [name for name in os.listdir(FOLDER) if name.startswith(".upload-")]
            client.close()
            bench.until(lambda: not bench.server.slots)
            assert os.listdir(FOLDER) == ["a.txt"] and contents("a.txt") == b"old"
            silent = bench.connect(head + data)
            bench.until(lambda: silent.state == "ended")
            assert silent.received.startswith(b"HTTP/1.1 408 ") and os.listdir(FOLDER) == ["a.txt"]
            silent.close()
            short = get("/", "Content-Length: %d\r\n" % len(data) + KIND, "POST")
            assert bench.ask(short + data).startswith(b"HTTP/1.1 400 ")
            assert os.listdir(FOLDER) == ["a.txt"] and contents("a.txt") == b"old" and app.saved == []


def test_two_uploads_of_one_name_at_once():
    with folder("a.txt"):
        app = keeper()
        with serve(app, harsh=False) as bench:
            body = b'--xx\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n%s\r\n--xx--'
            bodies = [body % (letter * 500) for letter in (b"1", b"2")]
            head = get("/", "Content-Length: %d\r\n" % len(bodies[0]) + KIND, "POST")
            clients = [bench.connect(head + each[:300]) for each in bodies]
            bench.until(lambda: len(os.listdir(FOLDER)) == 2)
            clients[0].send(bodies[0][300:])
            clients[1].send(bodies[1][300:])
            for client in clients:
                bench.until(lambda client=client: client.received.endswith(b"kept"))
            assert contents("a.txt") in (b"1" * 500, b"2" * 500)
