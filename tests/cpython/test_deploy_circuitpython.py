"""`webhal deploy` to simulated CircuitPython boards: by their drive, and by their web workflow."""

import errno
import itertools
import re
import shutil
import time
import urllib.request

import pytest

from webhal.testing.boards import CircuitPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying.drive import DriveBoard

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


@pytest.fixture
def deploy(capsys):
    """deploy(…) is (exit code, standard output, standard error)."""

    def deploy(*arguments):
        code = cli.main(["deploy", *map(str, arguments)])
        return code, *capsys.readouterr()

    return deploy


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
def test_second_deployment_sends_nothing_and_a_change_of_one_line_one_file(board, deploy, project, way):
    there = board()
    deploy(project / "app.py", *way(there))
    before = there.writes[:]
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    assert "nothing to send" in output
    assert there.writes == before
    (project / "greeting.py").write_text(GREETING % "two")
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    assert re.search(r"^sent: 1 file, \d+ bytes$", output, re.MULTILINE)
    assert get(there) == "one two"


@ways
def test_what_is_not_needed_any_more_is_removed_and_what_is_foreign_stays(board, deploy, project, way):
    there = board()
    (there.folder / "lib").mkdir()
    (there.folder / "lib" / "foreign.py").write_text("x = 1")
    (there.folder / "code.py").write_text("print('mine')\n")
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    (copy,) = re.findall(r"code.py on the board is not webhal's: kept as (\S+)", output)
    assert (there.folder / copy).read_text() == "print('mine')\n"
    (project / "app.py").write_text((APP % "alone").replace("from greeting import text", "text = str"))
    code, output, errors = deploy(project / "app.py", *way(there))
    assert (code, errors) == (0, "")
    assert not (there.folder / "greeting.py").exists()
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


def test_traceback_is_shown_by_the_console(board, deploy, project):
    (project / "app.py").write_text("import greeting\nraise ValueError('bad thing')\n")
    there = board()
    code, _, errors = deploy(project / "app.py", *by_drive(there))
    assert code == 1
    assert "ValueError: bad thing" in errors


def test_drive_without_a_console_is_sent_to_but_not_called_good(board, deploy, project):
    there = board()
    assert "--console" in one_line(deploy(project / "app.py", "--to", there.folder))
    assert deploy(project / "app.py", "--to", there.folder, "--no-verify")[0] == 0


def test_folder_that_is_no_drive(deploy, project, tmp_path):
    assert "no boot_out.txt" in one_line(deploy(project / "app.py", "--to", tmp_path))


@pytest.mark.parametrize("error, words", [(errno.EROFS, "read-only"), (errno.ENOSPC, "is full")])
def test_drive_that_cannot_be_written(board, deploy, project, monkeypatch, error, words):
    there = board()
    real = DriveBoard.put

    def put(self, path, data):
        if path.startswith("lib/"):
            raise OSError(error, "")
        real(self, path, data)

    with monkeypatch.context() as patch:
        patch.setattr(DriveBoard, "put", put)
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
    assert "flash is full" in one_line(deploy(project / "app.py", *by_workflow(there)))
    assert not list(there.folder.rglob("*.new"))


def test_web_workflow_on_the_applications_port(board, deploy, project):
    there = board()
    port = int(there.workflow.rpartition(":")[2])
    (project / "app.py").write_text((APP % "one").replace("run()", f"run(port={port})"))
    assert "CIRCUITPY_WEB_API_PORT" in one_line(deploy(project / "app.py", *by_workflow(there)))


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


# -- interruptions -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_version(micropython, tmp_path_factory):
    """The drive of a board that runs the first version."""
    folder = tmp_path_factory.mktemp("first")
    project = write_project(tmp_path_factory.mktemp("project"), "one")
    with CircuitPythonBoard(folder, micropython, password=PASSWORD) as there:
        assert cli.main(["deploy", str(project / "app.py"), *map(str, by_workflow(there))]) == 0
    return folder


def second_version(folder):
    """Differs in several files, which do not go together with those of the first."""
    write_project(folder, "two")
    (folder / "app.py").write_text((APP % "two").replace("greeting import text", "greeting import said as text"))
    (folder / "greeting.py").write_text("import extra\ndef said():\n    return extra.TEXT\n")
    (folder / "extra.py").write_text("TEXT = 'two'\n")
    return folder


def cuts(monkeypatch, there, way, cut):
    """Cut the board off after `cut` bytes; a change that is no write counts as one."""
    if way is by_workflow:
        there.unplug_after(cut)
        return
    left = [cut]

    def put(self, path, data):
        written = min(left[0], len(data))
        left[0] -= written
        real_put(self, path, data[:written])
        if written < len(data):
            raise OSError(errno.EIO, "")

    def change(real):
        def changed(self, *paths):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, "")
            real(self, *paths)

        return changed

    real_put = DriveBoard.put
    monkeypatch.setattr(DriveBoard, "put", put)
    monkeypatch.setattr(DriveBoard, "move", change(DriveBoard.move))
    monkeypatch.setattr(DriveBoard, "replace", change(DriveBoard.replace))
    monkeypatch.setattr(DriveBoard, "delete", change(DriveBoard.delete))


RECORD_BYTES = 1200
PARTS = 2  # of all places, so that as many processes can share them


def places():
    """Where the board goes: in small steps once record and new files are there, so that every change is met."""
    yield from range(0, RECORD_BYTES, 400)
    yield from itertools.count(RECORD_BYTES, 97)


@ways
@pytest.mark.parametrize("part", range(PARTS))
def test_board_that_goes_at_any_byte_has_one_application_or_the_other(
    first_version, micropython, tmp_path, deploy, monkeypatch, way, part
):
    project = second_version(tmp_path / "project")
    seen = []
    for cut in itertools.islice(places(), part, None, PARTS):
        folder = tmp_path / "drive"
        shutil.copytree(first_version, folder)
        there = CircuitPythonBoard(folder, micropython, password=PASSWORD)
        there.start()
        with monkeypatch.context() as patch:
            cuts(patch, there, way, cut)
            whole = deploy(project / "app.py", *way(there), "--no-verify")[0] == 0
        there.unplug()
        there.unplug_after(None)
        there.start()
        seen.append(page(there))
        if len(seen) % 4 == 0:
            code, _, errors = deploy(project / "app.py", *way(there), "--no-verify")
            assert (code, errors) == (0, ""), f"repeated after {seen}"
            restart(there)
            assert page(there) == "two two"
            assert not [*folder.rglob("*.new"), *folder.rglob("code.txt")]
        there.stop()
        shutil.rmtree(folder)
        if whole:
            break
    assert set(seen) == {"one one", "two two"}
    assert sorted(seen) == seen and len(seen) > 5


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
