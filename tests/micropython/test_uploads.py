"""Forms with files, on a board's heap, with all modules in ROMFS: bytes are equal, and nothing is kept."""

import random
import shutil
import threading
from pathlib import Path

import pytest
import requests

from webhal_cpython.compiling import compile_mpy

SERVED = Path(__file__).resolve().parent / "served"
HEAP = {"32": 36 << 10, "64": 72 << 10}
FILE = random.Random(1).randbytes(500_000)
SLACK = 512  # bytes, for dicts and lists that have grown once
PATIENCE_S = 20


@pytest.fixture
def heap(pytestconfig):
    return HEAP[pytestconfig.getoption("bits")]


@pytest.fixture(scope="module")
def image(compiled, make_rom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    shutil.copytree(compiled, folder, dirs_exist_ok=True)
    (folder / "upload_app.mpy").write_bytes(compile_mpy((SERVED / "upload_app.py").read_text(), "upload_app.py", 0))
    return make_rom(folder)


@pytest.fixture
def server(serve_rom, image):
    return serve_rom("import upload_app; upload_app.main(PORT)", image)


def post(server, path, **options):
    """The JSON of a 200 response."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE_S, **options)
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return answer.json()


def tally(content):
    return [len(content), sum(content) & 0xFFFFFF]


def used(server):
    with requests.Session() as session:
        session.trust_env = False
        return int(session.get(f"http://127.0.0.1:{server.port}/memory", timeout=PATIENCE_S).text)


def test_half_a_megabyte_is_saved_and_counted(server, tmp_path):
    for round in range(3):
        assert post(server, "/save", data={"a": "b"}, files={"f": ("file.bin", FILE)}) == ["file.bin"]
        assert (tmp_path / "file.bin").read_bytes() == FILE
        assert post(server, "/count", data={"a": "b"}, files={"f": FILE}) == [["a", 1, 98], ["f", *tally(FILE)]]
        if round == 0:
            before = used(server)
    assert used(server) <= before + SLACK
    assert not list(tmp_path.glob(".upload-*"))


def test_two_at_once(server, tmp_path):
    def upload(name):
        answers.append(post(server, "/save", files={"f": (name, FILE[:200_000])}))

    answers = []
    threads = [threading.Thread(target=upload, args=(f"{number}.bin",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [["0.bin"], ["1.bin"]]
    assert (tmp_path / "0.bin").read_bytes() == (tmp_path / "1.bin").read_bytes() == FILE[:200_000]


def test_a_small_form_is_read_whole(server):
    for _ in range(2):
        answer = post(server, "/small", data={"a": "gr\xf6\xdfe"}, files={"f": ("\xfc.txt", bytes(700), "text/plain")})
        assert answer == ["gr\xf6\xdfe", "\xfc.txt", "text/plain", 700]
