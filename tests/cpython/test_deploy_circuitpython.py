"""`webhal deploy` to simulated CircuitPython boards: by their drive, and by their web workflow.

WEBHAL_INTERRUPTS=200 pytest tests/cpython/test_deploy_circuitpython.py -k anywhere is the long run of interruptions.
"""

import contextlib
import errno
import http.server
import json
import os
import re
import shutil
import threading
import time
import urllib.request

import pytest

from webhal.testing.boards import CircuitPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.circuitpython import LOADER
from webhal_cpython.deploying.drive import DriveBoard
from webhal_cpython.deploying.workflow import WorkflowBoard

pytest.importorskip("serial")
pytest.importorskip("pty")

APP = """\
from webhal import App
from greeting import text

app = App()

@app.get("/")
def page(request):
    return "%s " + text()

if __name__ == "__main__":
    app.run()
"""
GREETING = "def text():\n    return '%s'\n"
PASSWORD = "pass word"


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "project", "one")


def write_project(folder, version):
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP % version)
    (folder / "greeting.py").write_text(GREETING % version)
    settings = folder / "settings.toml"
    settings.write_text(f'CIRCUITPY_WIFI_SSID = "home"\nCIRCUITPY_WEB_API_PASSWORD = "{PASSWORD}"\n')
    settings.chmod(0o600)
    return folder


@pytest.fixture
def board(micropython):
    """board(…) is a board that has power until the test ends."""
    boards = []

    def board(**options):
        boards.append(CircuitPythonBoard(executable=micropython, **{"password": PASSWORD, **options}))
        boards[-1].start()
        return boards[-1]

    yield board
    for each in boards:
        each.stop()


def by_drive(board):
    return "--to", board.folder, "--console", board.console


def by_workflow(board):
    return "--to", board.workflow


ways = pytest.mark.parametrize("way", [by_drive, by_workflow])


def get(board):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(board.url, timeout=30) as answer:
        return answer.read().decode()


def one_line(outcome):
    code, _, errors = outcome
    assert code == 1
    assert errors.startswith("webhal: ") and errors.count("\n") == 1
    assert PASSWORD not in errors
    return errors


@ways
def test_deployed_application_answers(board, deploy, project, way):
    there = board()
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    assert f"{there.url}/ answers: 200 OK, 7 bytes" in output
    assert get(there) == "one one"
    assert PASSWORD not in output
    assert "CircuitPython 10.0.0" in output


@ways
def test_second_deployment_sends_nothing_and_then_a_change_of_one_line_one_file(board, deploy, project, way):
    there = board()
    deploy(project / "app.py", *way(there))
    before = there.writes[:]
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    assert "nothing to send" in output
    assert there.writes == before
    for text in ("two", "three"):  # the second deployment fills the second folder
        (project / "greeting.py").write_text(GREETING % text)
        code, output, errors = deploy(project / "app.py", *way(there))
        assert (code, errors) == (0, "")
        assert get(there) == f"one {text}"
    assert re.search(r"^sent: 1 file, \d+ bytes$", output, re.MULTILINE)


@ways
def test_what_is_not_needed_any_more_is_removed_and_what_is_foreign_stays(board, deploy, project, way):
    there = board()
    (there.folder / "lib").mkdir()
    (there.folder / "lib" / "foreign.py").write_text("x = 1")
    (there.folder / "code.py").write_text("print('mine')\n")
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    (copy,) = re.findall(r"/code.py on the board is not webhal's: kept as /(\S+)", output)
    assert (there.folder / copy).read_text() == "print('mine')\n"
    (project / "app.py").write_text((APP % "alone").replace("from greeting import text", "text = str"))
    for _ in range(2):  # in both folders
        code, output, errors = deploy(project / "app.py", *way(there))
        assert (code, errors) == (0, "")
        (project / "app.py").write_text((project / "app.py").read_text() + "\n")
    assert not list(there.folder.rglob("greeting.py"))
    assert (there.folder / "lib" / "foreign.py").exists() and (there.folder / copy).exists()
    assert get(there) == "alone "
    assert not list(there.folder.rglob("*.new")) and not (there.folder / "code.txt").exists()


@ways
def test_what_answered_goes_on_serving(board, deploy, project, way):
    """It is not started once more, by the reload that follows what is written."""
    there = board()
    deploy(project / "app.py", *way(there))
    (project / "greeting.py").write_text((project / "greeting.py").read_text().replace("one", "two"))
    assert deploy(project / "app.py", *way(there))[0] == 0
    assert there._changed is None
    assert "two" in get(there)


@ways
def test_traceback_of_an_application_that_fails_is_shown(board, deploy, project, way):
    (project / "app.py").write_text("import greeting\nraise ValueError('bad thing')\n")
    there = board()
    code, _, errors = deploy(project / "app.py", *way(there))
    assert code == 1
    assert 'File "/webhal.1/code.py", line 2' in errors
    assert "ValueError: bad thing" in errors


@ways
def test_interrupted_at_the_console_the_board_goes_on(board, deploy, project, way, monkeypatch):
    there = board()
    assert deploy(project / "app.py", *way(there))[::2] == (0, "")

    def interrupted(said):
        raise KeyboardInterrupt

    monkeypatch.setattr("webhal_cpython.deploying.console.plain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deploy(project / "app.py", *way(there))
    assert page(there) == "one one"


def test_drive_without_a_console_is_sent_to_but_not_called_good(board, deploy, project):
    there = board()
    assert "--console" in one_line(deploy(project / "app.py", "--to", there.folder))
    assert deploy(project / "app.py", "--to", there.folder, "--no-verify")[0] == 0


def test_folder_that_is_no_drive(deploy, project, tmp_path):
    assert "no boot_out.txt" in one_line(deploy(project / "app.py", "--to", tmp_path))


@pytest.mark.parametrize(
    "error, words", [(errno.EROFS, "read-only"), (errno.ENOSPC, "is full: there is no room for webhal.1/")]
)
def test_drive_that_cannot_be_written(board, deploy, project, monkeypatch, error, words):
    there = board()

    def fails(descriptor):
        raise OSError(error, "")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fails)
        assert words in one_line(deploy(project / "app.py", *by_drive(there)))
    assert deploy(project / "app.py", *by_drive(there))[::2] == (0, "")
    assert get(there) == "one one"


def test_web_workflow_that_refuses(board, deploy, project):
    there = board()
    assert "the password is wrong" in one_line(deploy(project / "app.py", *by_workflow(there), "--password", "other"))
    there.password = ""
    assert "has no password" in one_line(deploy(project / "app.py", *by_workflow(there)))
    there.password = PASSWORD
    there.usb = True
    assert "eject the drive" in one_line(deploy(project / "app.py", *by_workflow(there)))
    assert there.writes == []


def test_web_workflow_of_a_board_that_is_too_small(board, deploy, project, monkeypatch):
    there = board(flash=50_000)
    assert re.search(r"has \d+ KB free, and \d+ KB are", one_line(deploy(project / "app.py", *by_workflow(there))))
    assert there.writes == []
    monkeypatch.setattr("webhal_cpython.deploying.plan.Plan.flash", lambda self, block: 0)
    assert "flash is full: there is no room for webhal.1/" in one_line(deploy(project / "app.py", *by_workflow(there)))
    assert not list(there.folder.rglob("*.new"))


def test_web_workflow_on_the_applications_port(board, deploy, project):
    there = board()
    port = there.workflow.rpartition(":")[2]
    assert "CIRCUITPY_WEB_API_PORT" in one_line(deploy(project / "app.py", *by_workflow(there), "--port", port))
    (project / "app.py").write_text("raise OSError(112, '[Errno 112] EADDRINUSE')\n")
    code, _, errors = deploy(project / "app.py", *by_workflow(there))
    assert code == 1 and f"the web workflow holds port {port}" in errors.split("\n")[0]
    assert "OSError: " in errors


def test_web_workflow_that_is_not_there(deploy, project):
    assert "does not answer" in one_line(deploy(project / "app.py", "--to", "http://127.0.0.1:9"))


def test_code_txt_that_would_run_instead(board, deploy, project):
    there = board()
    (there.folder / "code.txt").write_text("print('mine')")
    assert "code.txt on the board would run instead" in one_line(deploy(project / "app.py", *by_workflow(there)))


def test_version_that_is_too_old(board, deploy, project):
    there = board(version=(7, 3, 3))
    for way in (by_drive, by_workflow):
        assert "too old" in one_line(deploy(project / "app.py", *way(there)))


def test_serial_port_is_for_micropython(board, deploy, project):
    pytest.importorskip("mpremote")
    there = board()
    assert "runs CircuitPython: name its drive" in one_line(deploy(project / "app.py", "--to", there.console))


# -- web workflows that are none ------------------------------------------------------------------------------

VERSION = {
    "web_api_version": 4,
    "version": "10.0.0",
    "board_name": "Odd board",
    "board_id": "odd",
    "port": 80,
    "ip": "127.0.0.1",
}
DISK = [{"root": "/", "free": 2000, "block_size": 512, "writable": True}]

MANY = {**DISK[0], "free": "many"}
DEEP = b"[" * 100_000


@pytest.fixture
def odd_workflow():
    """odd_workflow(answers) is the address of a server; answers: by path the content of a 200, or (status, fields)."""
    servers = []

    def odd_workflow(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *values):
                pass

            def do_GET(self):
                answer = {"/cp/version.json": VERSION, "/cp/diskinfo.json": DISK, "/fs/": [], **answers}.get(self.path)
                status, fields = answer if isinstance(answer, tuple) else (200 if answer is not None else 404, {})
                self.send_response(status)
                for name in fields:
                    self.send_header(name, fields[name])
                self.end_headers()
                if callable(answer):
                    answer(self.wfile)
                elif status == 200:
                    self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return "http://127.0.0.1:%d" % servers[-1].server_address[1]

    yield odd_workflow
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "path, answer",
    [
        *(("/cp/version.json", answer) for answer in ({}, [], "10.0.0", 7, None, b"", b"<html>", b"\xff", DEEP)),
        *(
            ("/cp/version.json", {**VERSION, name: value})
            for name in ("version", "port", "ip", "web_api_version")
            for value in (None, [], "many", 1e999, {})
        ),
        ("/cp/version.json", {**VERSION, "version": "9" * 5000}),
        *(("/cp/diskinfo.json", answer) for answer in ({}, ["a"], 7, b"", [MANY], [{"free": 1}])),
        *(("/fs/", answer) for answer in ({}, ["code.py"], [{}], {"files": 7}, {"files": [["a"]]}, b"[", 7)),
    ],
)
def test_workflow_that_answers_something_else(odd_workflow, deploy, project, path, answer):
    where = odd_workflow({path: answer})
    assert "is not the web workflow of a CircuitPython board" in one_line(deploy(project / "app.py", "--to", where))


def test_workflow_that_sends_elsewhere(odd_workflow, deploy, project):
    where = odd_workflow({"/cp/version.json": (307, {"Location": "http://cpy-41f05c.local/cp/version.json"})})
    assert "sends to http://cpy-41f05c.local/" in one_line(deploy(project / "app.py", "--to", where))


@pytest.mark.parametrize("status", [400, 500, 503])
def test_workflow_with_an_error_of_its_own(odd_workflow, deploy, project, status):
    assert f"answers {status}" in one_line(deploy(project / "app.py", "--to", odd_workflow({"/fs/": (status, {})})))


def test_workflow_of_an_old_version_tells_free_bytes(odd_workflow):
    old = odd_workflow({"/cp/version.json": {**VERSION, "web_api_version": 3}})
    assert WorkflowBoard(old, None).facts.flash == 2000
    assert WorkflowBoard(odd_workflow({}), None).facts.flash == 2000 * 512
    assert WorkflowBoard(odd_workflow({"/cp/diskinfo.json": None}), None).facts.flash is None


@pytest.mark.parametrize(
    "target, words",
    [
        ("http://127.0.0.1:99999", "is not http://BOARD"),
        ("http://", "is not http://BOARD"),
        ("https://127.0.0.1", "is not http://BOARD"),
        ("http://[::1", "is not http://BOARD"),
        ("http://nobody-has-this-name.invalid", "nobody in this network knows nobody-has-this-name.invalid"),
        (f"http://{'a' * 70}.local", "does not answer"),
        ("http://a b", "does not answer"),
    ],
)
def test_workflow_at_no_address(deploy, project, target, words):
    assert words in one_line(deploy(project / "app.py", "--to", target))


def drip(file):
    """Says something for ever, a byte at a time."""
    with contextlib.suppress(OSError):
        while True:
            file.write(b" ")
            time.sleep(0.01)


@pytest.mark.parametrize("path", ["/cp/version.json", "/cp/diskinfo.json", "/fs/"])
def test_workflow_that_drips_for_ever(odd_workflow, deploy, project, monkeypatch, path):
    monkeypatch.setattr("webhal_cpython.deploying.workflow._LIMIT_S", 0.2)
    assert "no whole answer" in one_line(deploy(project / "app.py", "--to", odd_workflow({path: drip})))


# -- two deployments, of which one runs -------------------------------------------------------------------------

WEB_APP = """\
from webhal import App
import greeting

app = App()
BESIDE = __file__[: __file__.rfind("/") + 1]

@app.get("/")
def page(request):
    texts = [open(folder + "static/motto.txt").read() for folder in ("", BESIDE)]
    return " ".join(["%s", greeting.text()] + texts)

if __name__ == "__main__":
    app.run()
"""


def write_version(folder, version):
    """An application, a module and an asset, each of which shows the version; names and settings differ as well."""
    write_project(folder, version)
    with (folder / "settings.toml").open("a") as settings:
        settings.write(f'VERSION = "{version}"\n')
    (folder / "app.py").write_text(WEB_APP % version)
    (folder / "static").mkdir()
    (folder / "static" / "motto.txt").write_text(version)
    (folder / f"only_{version}.py").write_text(f"TEXT = {version!r}\n")
    (folder / "greeting.py").write_text(f"import only_{version}\ndef text():\n    return only_{version}.TEXT\n")
    return folder


def whole(version):
    return " ".join([version] * 4)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The command's arguments for each of some versions."""
    made = {}
    for version in ("one", "two", "three"):
        folder = write_version(tmp_path_factory.mktemp(version), version)
        made[version] = folder / "app.py", "--with", folder / "static"
    return made


@pytest.fixture(scope="module")
def drives(versions, tmp_path_factory):
    """Drives of boards that run version two: the first deployment to them, the third, and one that webhal 0.1 made."""
    made = {}
    for name, sent in (("first", ["two"]), ("third", ["one", "three", "two"])):
        made[name] = tmp_path_factory.mktemp(name)
        (made[name] / "boot_out.txt").write_text("Adafruit CircuitPython 10.0.0 on 2025-10-17; Simulated board")
        for version in sent:
            assert cli.main(["deploy", *map(str, versions[version]), "--to", str(made[name]), "--no-verify"]) == 0
    old = made["of 0.1"] = tmp_path_factory.mktemp("old")
    shutil.copytree(made["first"] / "webhal.1", old, dirs_exist_ok=True)
    for name in ("boot_out.txt", "settings.toml"):
        shutil.copy(made["first"] / name, old)
    (old / "webhal.mark").unlink()
    lines = (old / "webhal.files").read_text().splitlines(keepends=True)
    (old / "webhal.files").write_text("".join(line for line in lines if "  /" not in line))
    return made


@pytest.fixture
def drive_of(drives, tmp_path):
    """drive_of(name) is a new copy of one of them."""
    copies = []

    def drive_of(name):
        copies.append(tmp_path / f"drive{len(copies)}")
        return shutil.copytree(drives[name], copies[-1])

    return drive_of


@pytest.mark.parametrize(
    "mark, runs",
    [
        (b"4 complete\n", "three"),
        (b"4 complete", "three"),
        *((mark, "two") for mark in (b"", b"4", b"4 comp", b" complete\n", b"2 complete\n", b"\0" * 11, b"\xff" * 11)),
    ],
)
def test_newest_whole_mark_decides(board, drive_of, mark, runs):
    folder = drive_of("third")
    (folder / "webhal.2" / "webhal.mark").write_bytes(mark)  # webhal.1 has the third deployment
    there = board(folder=folder)
    assert page(there) == whole(runs)
    drive = DriveBoard(str(folder))
    drive.placed({})
    assert drive._running == ("webhal.2/" if runs == "three" else "webhal.1/")


def test_board_without_a_whole_deployment_says_so(board, deploy, drive_of, versions):
    folder = drive_of("first")
    (folder / "webhal.1" / "webhal.mark").unlink()
    there = board(folder=folder)
    assert deploy(*versions["two"], *by_drive(there))[::2] == (0, "")
    assert page(there) == whole("two")


def test_board_finds_the_settings_that_were_being_replaced(board, drive_of):
    folder = drive_of("first")
    (folder / "settings.toml").rename(folder / "settings.toml.new")
    there = board(folder=folder)
    assert page(there) == whole("two")
    assert [file.name for file in folder.glob("settings*")] == ["settings.toml"]


@ways
def test_settings_that_the_board_puts_in_place_itself_are_no_error(board, deploy, drive_of, versions, way, monkeypatch):
    there = board(folder=drive_of("first"))
    kind = DriveBoard if way is by_drive else WorkflowBoard
    real = kind.move

    def move(self, path, to):
        if to == "settings.toml":
            (there.folder / path).rename(there.folder / to)  # as its code.py does when it starts in this very moment
        real(self, path, to)

    monkeypatch.setattr(kind, "move", move)
    assert deploy(*versions["one"], *way(there))[::2] == (0, "")
    assert 'VERSION = "one"' in (there.folder / "settings.toml").read_text()


@ways
def test_what_an_earlier_webhal_sent_goes_when_it_is_needed_no_more(board, deploy, drive_of, versions, way):
    there = board(folder=drive_of("of 0.1"))
    assert page(there) == whole("two")
    code, output, errors = deploy(*versions["one"], *way(there))
    assert (code, errors) == (0, "")
    assert "is not webhal's" not in output
    assert page(there) == whole("one")
    assert (there.folder / "lib" / "webhal" / "app.py").exists()  # it can be gone back to
    assert deploy(*versions["one"], *way(there))[::2] == (0, "")
    names = {file.name for file in there.folder.iterdir()}
    assert names == {"boot_out.txt", "settings.toml", "code.py", "webhal.1"}
    assert page(there) == whole("one")


FAULT = "\nraise ValueError('bad thing')\n"


@pytest.mark.parametrize("state, way", [("first", by_drive), ("third", by_workflow), ("of 0.1", by_workflow)])
def test_old_application_is_brought_back(board, deploy, drive_of, project, way, state):
    there = board(folder=drive_of(state))
    (there.folder / "settings.toml").write_text('CIRCUITPY_WIFI_SSID = "another"\n')
    before = (there.folder / "settings.toml").read_bytes()
    (project / "app.py").write_text((APP % "bad").replace("app = App()", FAULT))
    code, _, errors = deploy(project / "app.py", *way(there))
    assert code == 1
    assert "ValueError: bad thing" in errors
    assert f"the old application is back: {there.url}/ answers: 200 OK" in errors
    restart(there)
    assert page(there) == whole("two")
    assert (there.folder / "settings.toml").read_bytes() == before
    assert deploy(project / "app.py", *way(there), "--keep")[0] == 1
    assert (there.folder / "settings.toml").read_bytes() != before
    with pytest.raises(OSError):
        get(there)


def test_going_back_goes_on_where_it_was_interrupted(board, deploy, drive_of, versions):
    there = board(folder=drive_of("of 0.1"))
    (there.folder / "code.py").rename(there.folder / "code.txt")
    (there.folder / "code.py").write_bytes(LOADER[:100])
    assert deploy(*versions["one"], *by_drive(there))[::2] == (0, "")
    assert page(there) == whole("one")


@ways
def test_first_application_has_nothing_to_go_back_to(board, deploy, project, way):
    (project / "app.py").write_text(FAULT)
    there = board()
    (there.folder / "code.py").write_text("print('mine')\n")
    code, _, errors = deploy(project / "app.py", *way(there))
    assert code == 1 and "ValueError: bad thing" in errors and "old application" not in errors


def test_wifi_password_that_has_become_wrong_is_noticed_at_once(board, deploy, project):
    """Though the radio is still in the network, by the old one."""
    there = board(wifi={"home": "right"})
    settings = (project / "settings.toml").read_text()
    (project / "settings.toml").write_text(settings + 'CIRCUITPY_WIFI_PASSWORD = "right"\n')
    assert deploy(project / "app.py", *by_drive(there))[::2] == (0, "")
    (project / "settings.toml").write_text(settings + 'CIRCUITPY_WIFI_PASSWORD = "wrong"\n')
    code, _, errors = deploy(project / "app.py", *by_drive(there))
    assert code == 1
    assert "Authentication failure" in errors and "the old application is back" in errors
    assert get(there) == "one one"


def test_wifi_that_leads_to_the_board_is_not_changed_by_it(board, deploy, project):
    there = board()
    board_has = 'CIRCUITPY_WIFI_SSID = "good"\nCIRCUITPY_WIFI_PASSWORD = "right"\n'
    (there.folder / "settings.toml").write_text(board_has)
    assert deploy(project / "app.py", *by_workflow(there))[::2] == (0, "")
    assert (there.folder / "settings.toml").read_text().startswith(board_has)
    outcome = deploy(project / "app.py", *by_workflow(there), "--wifi-ssid", "x", "--wifi-password", "y")
    assert "is not changed by way of that WiFi" in one_line(outcome)


# -- interruptions -------------------------------------------------------------------------------------------


def cuts(monkeypatch, there, way, count):
    """Cut the board off after `count` bytes, or changes that are no writes. Returns what tells how many are left."""
    if way is by_workflow:
        there.unplug_after(count)
        return lambda: there._power
    left = [count]

    def put(self, path, data):
        written = min(left[0], len(data))
        left[0] -= written
        real_put(self, path, data[:written])
        if written < len(data):
            raise DeployError("gone")

    def change(real):
        def changed(self, *paths):
            left[0] -= 1
            if left[0] < 0:
                raise DeployError("gone")
            real(self, *paths)

        return changed

    real_put = DriveBoard.put
    monkeypatch.setattr(DriveBoard, "put", put)
    monkeypatch.setattr(DriveBoard, "move", change(DriveBoard.move))
    monkeypatch.setattr(DriveBoard, "delete", change(DriveBoard.delete))
    return lambda: left[0]


INTERRUPTS = int(os.environ.get("WEBHAL_INTERRUPTS", "24"))
ENDING = 2000  # bytes, about: from the list of files on, after which come what switches, and the settings


def places(total, count):
    """Where to interrupt what writes `total` bytes: half of the places anywhere, half towards the end, and the last."""
    middle = max(0, total - ENDING)
    few = count // 2
    anywhere = [middle * at // few for at in range(few)]
    ending = [middle + (total - middle) * at // (count - few) for at in range(count - few)]
    return [*anywhere, *ending, total - 1]


@ways
@pytest.mark.parametrize("state", ["first", "third", "of 0.1"])
def test_interrupted_anywhere_it_is_one_application_or_the_other(
    drive_of, versions, micropython, deploy, monkeypatch, way, state
):
    """Whether the power goes or the command: the board starts one of the two. Repeated, the command completes."""

    def interrupted(count):
        folder = drive_of(state)
        there = CircuitPythonBoard(folder, micropython, password=PASSWORD)
        there.start()
        try:
            with monkeypatch.context() as patch:
                left = cuts(patch, there, way, count)
                done = deploy(*versions["one"], *way(there), "--no-verify")[0] == 0
                used = count - left()
            there.unplug_after(None)
            restart(there)
            seen = page(there)
            assert seen in (whole("one"), whole("two")), f"interrupted after {count}"
            assert not done or seen == whole("one")
            if not done and count % 2:
                code, _, errors = deploy(*versions["one"], *way(there), "--no-verify")
                assert (code, errors) == (0, ""), f"repeated after {count}: {errors}"
                restart(there)
                assert page(there) == whole("one"), f"repeated after {count}"
                assert not [*folder.rglob("*.new"), *folder.rglob("code.txt"), *folder.rglob("*.bak")]
            return seen, used
        finally:
            there.stop()
            shutil.rmtree(folder)

    for board in (DriveBoard, WorkflowBoard):
        monkeypatch.setattr(board, "start", lambda self, rejoin: None)  # what reloads is no matter here
    total = interrupted(1 << 30)[1]
    seen = [interrupted(place)[0] for place in places(total, INTERRUPTS // 6 - 1)]
    assert seen == sorted(seen, reverse=True) and seen[0] == whole("two")


def restart(there):
    there.unplug()
    there.start()


def page(there):
    """What the board answers once it is up."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return get(there)
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
