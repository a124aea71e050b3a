"""examples/file_manager: by requests, and as a person does with a browser. tests/micropython runs the same there."""

import html
import random
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/file_manager"
LARGE = random.Random(1).randbytes(300_000)
NAMES = ("ü & <b>.txt", "a b%20c.bin", '"quotes".txt')


class Manager:
    """A file manager that runs; `folder` has its files."""

    def __init__(self, url, folder):
        self.url = url
        self.folder = folder
        self.session = requests.Session()
        self.session.trust_env = False

    def ask(self, method, path, status=200, **options):
        answer = self.session.request(method, self.url + path, timeout=60, **options)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer

    def page(self):
        return html.unescape(self.ask("GET", "/").text)

    def names(self):
        return sorted(file.name for file in self.folder.iterdir())


@pytest.fixture
def manager(start, tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "app")
    process = start.webhal("run", tmp_path / "app/app.py", "--port", "0", "--no-access-log", cwd=tmp_path)
    manager = Manager(f"http://127.0.0.1:{process.line(r'Serving on .*:([0-9]+)/')[1]}", tmp_path / "files")
    with manager.session:
        yield manager


def test_files_come_go_and_are_deleted(manager):
    assert "There is none yet." in manager.page()
    contents = {name: name.encode() for name in NAMES} | {"large": LARGE, "nothing": b""}
    page = manager.ask("POST", "/", files=[("file", pair) for pair in contents.items()]).text
    assert manager.names() == sorted(contents)
    for name, content in contents.items():
        assert f">{html.escape(name, quote=False)}</a>".encode() in page.encode().replace(b"&#34;", b'"')
        answer = manager.ask("GET", "/files/" + quote(name))
        assert answer.content == content and answer.headers["Content-Disposition"] == "attachment"
    assert "293 KB" in page and "0 B" in page
    manager.ask("POST", "/", files={"file": ("large", b"new")})
    assert manager.ask("GET", "/files/large").content == b"new"
    for name in contents:
        manager.ask("POST", "/delete", data={"name": name})
        manager.ask("GET", "/files/" + quote(name), 404)
    assert manager.names() == [] and "There is none yet." in manager.page()


def test_what_is_not_in_the_list_is_not_there(manager):
    (manager.folder.parent / "secret").write_text("secret")
    (manager.folder / ".hidden").write_text("secret")
    (manager.folder / "folder").mkdir()
    for name in ("../secret", "..%2fsecret", ".hidden", "%2e%2e/secret", "folder", "", "none"):
        manager.ask("GET", "/files/" + name, 404)
    for name in ("../secret", ".hidden", "folder", ""):
        manager.ask("POST", "/delete", 404, data={"name": name})
    manager.ask("POST", "/delete", 400, data={})
    manager.ask("POST", "/", 422, files={"file": (".new", b"1")})
    assert manager.names() == [".hidden", "folder"]
    manager.ask("POST", "/", files={"file": ("../secret", b"1")})
    assert (manager.folder.parent / "secret").read_text() == "secret"


def test_a_person_with_a_browser(manager, browser, tmp_path):
    texts = {"one.txt": b"1", "zw\u00f6lf.bin": LARGE, "three & <i>.txt": b"333"}
    sent = tmp_path / "sent"
    sent.mkdir()
    for name, content in texts.items():
        (sent / name).write_bytes(content)
    shown = "[...document.querySelectorAll('td a')].map(each => each.textContent).sort()"
    browser.open(manager.url + "/")
    assert browser.evaluate("getComputedStyle(document.querySelector('#upload')).textAlign") == "center"
    browser.drop("#upload", sent / "one.txt", sent / "zw\u00f6lf.bin")
    browser.until(f"{shown}.length == 2")
    browser.choose("[type=file]", sent / "three & <i>.txt")
    browser.evaluate("document.querySelector('#upload button').click()")
    browser.until(f"{shown}.length == 3")
    assert browser.evaluate(shown) == sorted(texts)
    assert {name: (manager.folder / name).read_bytes() for name in texts} == texts
    fetched = "fetch(document.querySelectorAll('td a')[%d].href).then(answer => answer.text())"
    assert "333" in [browser.evaluate(fetched % number) for number in range(3)]
    browser.screenshot(tmp_path / "file_manager.png")
    browser.evaluate("document.querySelector('button[value=\"one.txt\"]').click()")
    browser.until(f"{shown}.length == 2")
    assert not (manager.folder / "one.txt").exists()
