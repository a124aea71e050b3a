"""Forms with files as curl, requests and a browser send them, to `webhal run`: the server has their bytes and names."""

import hashlib
import json
import random

import pytest
import requests

APP = '''
import hashlib

from webhal import App
from webhal.multipart import parts

app = App()
PAGE = """<!doctype html>
<form method="post" action="/" enctype="multipart/form-data">
<input name="text" value="gr\u00f6\u00dfe"><input type="file" name="one"><input type="file" name="many" multiple>
</form>
<div id="zone" style="width: 200px; height: 100px">drop here</div>
<script>
async function send(form, path = "/") {
  return await (await fetch(path, {method: "POST", body: form})).json();
}
const zone = document.getElementById("zone");
zone.addEventListener("dragover", event => event.preventDefault());
zone.addEventListener("drop", async event => {
  event.preventDefault();
  const form = new FormData();
  for (const file of event.dataTransfer.files) form.append("dropped", file);
  window.answer = await send(form);
});
</script>"""


@app.get("/")
def page(request):
    return PAGE


@app.post("/", stream=True)
async def stream(request):
    found = []
    async for part in parts(request):
        hashed = hashlib.sha256()
        size = 0
        while piece := await part.read(1 << 16):
            hashed.update(piece)
            size += len(piece)
        found.append([part.name, part.filename, part.headers.get("content-type"), size, hashed.hexdigest()])
    return found


@app.post("/small")
def small(request):
    found = [(name, None, None, value.encode()) for name, value in request.form.items()]
    found += [(name, file.name, file.type, file.body) for name, file in request.files.items()]
    return [[*start, len(body), hashlib.sha256(body).hexdigest()] for *start, body in found]
'''

LARGE = 50_000_000
BINARY = "application/octet-stream"


def seen(name, filename, kind, content):
    """What the application tells of a part."""
    return [name, filename, kind, len(content), hashlib.sha256(content).hexdigest()]


@pytest.fixture
def url(start, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    process = start.webhal("run", tmp_path / "app.py", "--port", "0", "--no-access-log")
    return f"http://127.0.0.1:{process.line(r'Serving on .*:([0-9]+)/')[1]}/"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files from nothing to a megabyte, by their names, and what is in them."""
    folder = tmp_path_factory.mktemp("files")
    contents = {f"{size}.bin": random.Random(size).randbytes(size) for size in (0, 1, 65_535, 65_536, 1_000_003)}
    contents["boundary.txt"] = b"\r\n--boundary\r\n" * 5_000 + b"\r\n--"
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder, contents


def test_curl(url, curl, files):
    folder, contents = files
    arguments = [argument for name in contents for argument in ("-F", f"f=@{folder / name}")]
    answer = json.loads(curl(*arguments, "-F", "text=größe", url))
    kinds = {name: "text/plain" if name.endswith(".txt") else BINARY for name in contents}
    wanted = [seen("f", name, kinds[name], content) for name, content in contents.items()]
    assert answer == [*wanted, seen("text", None, None, "größe".encode())]
    one = folder / "1.bin"
    answer = json.loads(curl("-F", f'f=@"{one}";type=image/png;filename="a\\"b;.png"', "-F", "x=", url + "small"))
    assert answer == [seen("x", None, None, b""), seen("f", 'a"b;.png', "image/png", contents["1.bin"])]


def test_fifty_megabytes(url, curl, tmp_path):
    content = random.Random(1).randbytes(LARGE)
    (tmp_path / "large").write_bytes(content)
    assert json.loads(curl("-F", f"f=@{tmp_path / 'large'}", url)) == [seen("f", "large", BINARY, content)]


def test_requests(url, files):
    _, contents = files
    with requests.Session() as session:
        session.trust_env = False
        sent = [("f", (f"ü {name}", content)) for name, content in contents.items()]
        for _ in range(2):  # on one connection
            answer = session.post(url, data={"text": "größe"}, files=sent, timeout=60)
            assert answer.json()[0] == seen("text", None, None, "größe".encode())
            assert answer.json()[1:] == [seen("f", f"ü {name}", None, content) for name, content in contents.items()]
        answer = session.post(url + "small", files={"f": ('a"b.txt', b"1", "text/plain")}, timeout=60)
        assert answer.json() == [seen("f", 'a"b.txt', "text/plain", b"1")]


def test_form_data_of_a_browser(url, browser):
    browser.open(url)
    for path, name, size in (("/", 'a "b" ü;name=x\r\n.txt', 3_000_000), ("/small", "ä.txt", 300_000)):
        script = """{
            const form = new FormData();
            form.append("tëxt\\n\\"", "a\\nb");
            form.append("f", new Blob(["1"]));
            form.append("f", new File(["23"], %s, {type: "text/x"}));
            form.append("big", new File([new Uint8Array(%d).fill(7)], "../big"));
            send(form, %r)
        }"""
        assert browser.evaluate(script % (json.dumps(name), size, path)) == [
            seen('tëxt\r\n"', None, None, b"a\r\nb"),
            seen("f", "blob", BINARY, b"1"),
            seen("f", name, "text/x", b"23"),
            seen("big", "big", BINARY, b"\x07" * size),
        ]


def test_a_form_that_a_person_sends(url, browser, files):
    folder, contents = files
    names = list(contents)
    browser.open(url)
    browser.choose('[name="many"]', *(folder / name for name in names))
    browser.evaluate("document.forms[0].submit()")
    browser.until("document.body.innerText.startsWith('[')")
    answer = json.loads(browser.evaluate("document.body.innerText"))
    assert answer[0] == seen("text", None, None, "größe".encode())
    assert answer[1] == seen("one", "", BINARY, b"")  # where none was chosen
    assert [[*part[:2], *part[3:]] for part in answer[2:]] == [
        [*part[:2], *part[3:]] for part in (seen("many", name, None, contents[name]) for name in names)
    ]


def test_files_that_are_dropped(url, browser, files):
    folder, contents = files
    browser.open(url)
    browser.drop("#zone", *(folder / name for name in contents))
    browser.until("window.answer")
    answer = browser.evaluate("window.answer")
    assert {name: (size, hashed) for _, name, _, size, hashed in answer} == {
        name: tuple(seen("", "", "", content)[3:]) for name, content in contents.items()
    }
