"""`webhal new`, `devices`, `monitor` and `deploy --all`: the commands as a user types them, on simulated boards."""

import contextlib
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from webhal.testing.boards import CircuitPythonBoard, MicroPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying import finding, monitor

pytest.importorskip("mpremote")
pty = pytest.importorskip("pty")

HELLO = """\
from webhal import App

app = App()

@app.get("/")
def page(request):
    return "hello"

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def boards(micropython):
    """boards(kind, …) is a board that has power until the test ends."""
    made = []

    def make(kind=MicroPythonBoard, *arguments, **options):
        made.append(kind(*arguments, executable=micropython, **options))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture(autouse=True)
def nothing_plugged_in(monkeypatch):
    """What is plugged into the machine that runs the tests is left alone."""
    monkeypatch.setattr(finding, "serial_ports", list)
    monkeypatch.setattr(finding, "drives", list)
    monkeypatch.delenv(finding.BOARDS, raising=False)


@pytest.fixture
def webhal(capsys):
    """webhal(…) is (exit code, standard output, standard error)."""

    def webhal(*arguments):
        code = cli.main([*map(str, arguments)])
        return code, *capsys.readouterr()

    return webhal


def get(board, path="/"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(board.url + path, timeout=30) as answer:
        return answer.read().decode()


WIFI = ("--wifi-ssid", "home", "--wifi-password", "secret")


ROOT = Path(__file__).resolve().parents[2]


def commands(document):
    """The lines of a document that call webhal, without what is in their way here: a TARGET, and a WiFi."""
    lines = re.findall(r"^    webhal (.*)$", (ROOT / document).read_text(), re.MULTILINE)
    return [line.split(" --to ")[0].replace("--wifi-ssid anything", "").split() for line in lines]


@pytest.mark.parametrize("document", ["README.md", "docs/deploying.md"])
def test_commands_of_the_documentation(webhal, boards, tmp_path, monkeypatch, document):
    """From nothing to a page that the smallest board serves, from its ROM, as it is written there."""
    there = boards(MicroPythonBoard, "esp8266", rom=320 << 10)
    monkeypatch.setenv(finding.BOARDS, there.target)
    monkeypatch.chdir(tmp_path)
    found = commands(document)
    new, deploy = ["new", "demo"], ["deploy", "demo/app.py"]
    assert new in found and deploy in found
    assert webhal(*new)[::2] == (0, "")
    (tmp_path / "demo" / "settings.toml").write_text("CIRCUITPY_WIFI_SSID = 'home'\n")
    assert webhal(*deploy)[::2] == (0, "")
    assert "<h1>demo</h1>" in get(there)
    assert "sans-serif" in get(there, "/static/style.css")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulated_board_of_the_documentation(start, micropython, webhal, tmp_path, monkeypatch, number):
    process = start("-m", "webhal.testing.boards", "esp32", "--micropython", micropython)
    target = process.line("esp32 at (.*)")[1]
    url = process.line("is at (http://[^ ]*)")[1]
    monkeypatch.chdir(tmp_path)
    webhal("new", "demo")
    assert webhal("deploy", "demo/app.py", *WIFI, "--to", target)[0] == 0
    assert b"<h1>demo</h1>" in urllib.request.urlopen(url, timeout=30).read()
    assert process.stop(number)[0] == 0


# -- new -----------------------------------------------------------------------------------------------------


def test_new_application_is_deployed_and_served_as_it_says(webhal, boards, tmp_path, monkeypatch):
    there = boards()
    monkeypatch.setenv(finding.BOARDS, there.target)
    monkeypatch.chdir(tmp_path)
    code, output, errors = webhal("new", "demo")
    assert (code, errors) == (0, "")
    command = re.search(r"^ +webhal (deploy .*)$", output, re.MULTILINE)[1].split()
    code, output, errors = webhal(*command, *WIFI)
    assert (code, errors) == (0, "")
    assert "<h1>demo</h1>" in get(there)
    assert "sans-serif" in get(there, "/static/style.css")


def test_new_says_its_command_so_that_a_shell_takes_it(webhal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, output, _ = webhal("new", "the lamp")
    for command in re.findall(r"^ +webhal (.*)$", output, re.MULTILINE):
        assert shlex.split(command)[1:] == ["the lamp/app.py"]


def test_new_application_passes_its_tests_and_runs_on_every_board(webhal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert webhal("new", "demo")[0] == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd="demo", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert webhal("check", "demo/app.py") == (0, "", "")


@pytest.mark.parametrize("folder, file", [(".", "demo/app.py"), ("demo", "app.py"), ("elsewhere", "../demo/app.py")])
def test_new_application_serves_its_files_from_any_folder(webhal, start, tmp_path, monkeypatch, folder, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    webhal("new", "demo")
    process = start.webhal("run", file, "--port", "0", cwd=tmp_path / folder)
    url = process.line("(http://[^ ]*/)")[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path, content in (("", "<h1>demo</h1>"), ("static/style.css", "sans-serif")):
        with opener.open(url + path, timeout=30) as answer:
            assert content in answer.read().decode()
    assert process.stop(signal.SIGINT)[0] == 0


def test_new_application_has_one_port_on_a_pc_and_one_on_a_board(webhal, boards, start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    webhal("new", "demo")
    ports = []
    monkeypatch.setattr(
        "webhal_cpython.deploying.verify.url", lambda host, port, path: ports.append(port) or f"http://{host}/"
    )
    assert webhal("deploy", "demo/app.py", "--to", boards().target, *WIFI)[0] == 0
    assert ports == [80]
    text = (tmp_path / "demo/app.py").read_text()
    (tmp_path / "demo/shown.py").write_text(text.replace("app.run(port=", "print("))
    shown = subprocess.run([sys.executable, "demo/shown.py"], capture_output=True, text=True, check=True)
    assert shown.stdout == "8000\n"


def test_new_settings_are_private(webhal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    webhal("new", "demo")
    assert stat.S_IMODE(os.stat("demo/settings.toml").st_mode) == 0o600
    assert "settings.toml" in (tmp_path / "demo/.gitignore").read_text().splitlines()


def test_new_touches_nothing_that_is_there(webhal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    code, _, errors = webhal("new", "demo")
    assert code == 1 and errors == "webhal: demo is there already; choose another name\n"
    assert list((tmp_path / "demo").iterdir()) == []
    assert webhal("new", ".")[0] != 0


def test_project_says_what_is_deployed(webhal, boards, tmp_path, monkeypatch):
    there = boards()
    monkeypatch.setenv(finding.BOARDS, there.target)
    folder = tmp_path / "demo"
    (folder / "static").mkdir(parents=True)
    (folder / "static" / "a.txt").write_text("a")
    (folder / "page.py").write_text(HELLO)
    (folder / "other.py").write_text(HELLO)
    (folder / "pyproject.toml").write_text('[tool.webhal]\napp = "page.py"\nwith = ["static"]\n')
    monkeypatch.chdir(folder)
    assert webhal("deploy", *WIFI)[::2] == (0, "")
    assert (there.folder / "static/a.txt").exists()
    for command, sent in (
        (("..", "demo/page.py"), True),
        (("..", "demo/other.py"), False),
        ((".", "page.py"), True),
        ((".", "page.py", "--with", "other.py"), False),
        ((".", folder / "page.py"), True),
    ):
        monkeypatch.chdir(folder / command[0])
        code, output, errors = webhal("deploy", *command[1:], *WIFI)
        assert (code, errors) == (0, "")
        assert (there.folder / "static/a.txt").exists() == sent
        assert ("removed static/a.txt" in output) == (not sent)


@pytest.mark.parametrize(
    "table",
    ["app = 1", 'with = "static"', "with = [1]", "app = ", "", "app = 'none.py'", "app = 'a.py'\nwith = ['none']"],
)
def test_project_that_says_nothing_useful(webhal, tmp_path, monkeypatch, table):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(HELLO)
    (tmp_path / "pyproject.toml").write_text(f"[tool.webhal]\n{table}\n")
    code, _, errors = webhal("deploy", "--to", "/dev/nothing")
    assert code == 1
    assert re.search("cannot read|name the application's FILE|has app =|there is no", errors)
    assert errors.count("\n") == 1


# -- which board ---------------------------------------------------------------------------------------------


def test_only_board_is_found(webhal, boards, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(HELLO)
    assert "no board found" in webhal("deploy", tmp_path / "app.py")[2]
    there = boards(tcp=True)
    monkeypatch.setenv(finding.BOARDS, there.target)
    assert webhal("deploy", tmp_path / "app.py", *WIFI)[::2] == (0, "")
    assert get(there) == "hello"
    monkeypatch.setenv(finding.BOARDS, f"{there.target} /dev/other")
    code, _, errors = webhal("deploy", tmp_path / "app.py", *WIFI)
    assert code == 1
    assert f"2 boards found; choose with --to, or take --all: {there.target} /dev/other" in errors


def test_devices(webhal, boards, monkeypatch):
    chip = boards(MicroPythonBoard, "esp8266")
    drive = boards(CircuitPythonBoard, password="secret")
    monkeypatch.setenv(finding.BOARDS, f"{chip.target} {drive.folder} /dev/nothing")
    code, output, errors = webhal("devices", drive.workflow, "--password", "secret")
    assert code == 1  # one of them is not there
    lines = output.splitlines()
    assert re.match(
        rf"{chip.target} +MicroPython 1.25.0, .*ESP8266, \d+ KB of memory free, 1,024 KB of flash", lines[0]
    )
    assert re.match(rf"{drive.folder} +CircuitPython 10.0.0, Simulated board with ESP32S3", lines[1])
    assert re.match("/dev/nothing +there is no /dev/nothing", lines[2])
    assert re.match(rf"{drive.workflow} +CircuitPython 10.0.0, Simulated board", lines[3])


def test_devices_lets_the_program_run_again(webhal, boards, monkeypatch):
    there = boards()
    (there.folder / "main.py").write_text("open('started', 'a').write('x')\n")
    monkeypatch.setenv(finding.BOARDS, there.target)
    assert webhal("devices")[0] == 0
    for _ in range(100):
        if (there.folder / "started").exists():
            break
        time.sleep(0.05)
    assert (there.folder / "started").exists()


def test_monitor(boards, start):
    there = boards()
    (there.folder / "main.py").write_text("import time\nwhile True:\n    print('tick')\n    time.sleep_ms(50)\n")
    there.unplug()
    there.start()
    process = start.webhal("monitor", there.target)
    process.line("tick")
    process.line("tick")
    assert process.stop(signal.SIGINT)[0] == 0


@pytest.mark.parametrize("tcp", [False, True], ids=["pty", "tcp"])
def test_monitor_at_a_terminal_is_one(boards, tcp):
    """What is typed goes to the board, Ctrl-C too; Ctrl-] ends."""
    there = boards(tcp=tcp)
    (there.folder / "main.py").write_text("print('busy')\nwhile True: pass\n")
    there.unplug()
    there.start()
    with terminal("monitor", there.target) as (read_until, write, process):
        read_until("Ctrl-] ends; Ctrl-C goes to the board")
        write("\x03")
        read_until("KeyboardInterrupt")
        read_until(">>> ")
        write("print(6 * 7)\r")
        read_until("\r\n42")
        write("\x04")
        read_until("soft reboot")
        read_until("busy")
        write("\x1d")
        assert process.wait(30) == 0


@contextlib.contextmanager
def terminal(*arguments, **options):
    """A command at a terminal: what waits for a text there, what types, and its process."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "webhal_cpython", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        **options,
    )
    os.close(theirs)
    seen = ""

    def read_until(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(ours, 1024).decode()
        seen = seen.partition(text)[2]

    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        yield read_until, lambda text: os.write(ours, text.encode()), process
    finally:
        process.kill()
        process.wait()
        watchdog.cancel()
        os.close(ours)


@pytest.mark.parametrize("typed", [True, False], ids=["terminal", "pipe"])
def test_monitor_waits_for_a_port_that_goes_with_a_reset(boards, start, tmp_path, typed):
    there = boards()
    (there.folder / "main.py").write_text("import time\nwhile True:\n    print('tick')\n    time.sleep_ms(50)\n")
    there.unplug()
    there.start()
    port = tmp_path / "ttyACM0"
    port.symlink_to(there.target)
    with contextlib.ExitStack() as stack:
        if typed:
            read_until, _, _ = stack.enter_context(terminal("monitor", str(port)))
        else:
            process = start.webhal("monitor", port)
            read_until = process.line
        read_until("tick")
        port.unlink()
        there.unplug()
        if typed:
            read_until("ttyACM0 has gone, as native USB does with a reset: waiting for it")
        time.sleep(0.3)
        there.start()
        port.symlink_to(there.target)
        if typed:
            read_until("Ctrl-] ends")
        read_until("tick")
        if not typed:
            assert process.stop(signal.SIGINT)[0] == 0
            assert "waiting for it" in process.errors


def test_monitor_of_a_drive_is_that_of_its_serial_port(webhal, boards, monkeypatch):
    drive = boards(CircuitPythonBoard)
    code, _, errors = webhal("monitor", drive.folder)
    assert code == 1
    assert errors == f"webhal: no serial port of the board with the drive {drive.folder} is found; name it\n"
    monkeypatch.setattr("webhal_cpython.deploying.drive._port_of", lambda uid: "/dev/nothing")
    assert "there is no /dev/nothing" in webhal("monitor", drive.folder)[2]


def test_monitor_of_a_web_workflow_is_a_page_of_its_own(webhal):
    code, _, errors = webhal("monitor", "http://board.local:8080/")
    assert code == 1
    assert errors.startswith("webhal: open http://board.local:8080/cp/serial/ in a browser")


@pytest.mark.parametrize("target", ["http://board:port", "http://[::1", "http://", "https://board.local"])
def test_address_that_is_none(webhal, target):
    code, output, _ = webhal("devices", target)
    assert code == 1
    assert "is not http://BOARD or http://BOARD:PORT" in output


# -- at each save --------------------------------------------------------------------------------------------


def test_watch_deploys_at_each_save_and_shows_what_the_board_says(boards, start, tmp_path):
    there = boards()
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "b.txt").write_text("b")
    text = "import greeting\nfrom webhal.static import StaticFiles\n" + HELLO.replace('"hello"', "greeting.text()")
    (tmp_path / "app.py").write_text(text.replace("App()", "App()\napp.mount('/static', StaticFiles('static'))"))
    (tmp_path / "greeting.py").write_text("print('up')\ndef text():\n    print('asked')\n    return 'one'\n")
    process = start.webhal(*("deploy", tmp_path / "app.py", "--to", there.target, "--watch", *WIFI))
    process.line("^up$")
    process.line("answers: 200 OK")
    assert get(there) == "one"
    process.line("^asked$")
    (tmp_path / "greeting.py").write_text("def text():\n    return 'two'\n")
    process.line("^sent: 1 file, ")
    process.line("answers: 200 OK")
    assert get(there) == "two"
    (tmp_path / "static" / "b.txt").write_text("changed")
    process.line("answers: 200 OK")
    assert get(there, "/static/b.txt") == "changed"
    (tmp_path / "greeting.py").write_text("def text()\n")
    (tmp_path / "static" / "a.txt").write_text("a")
    time.sleep(1)  # what is told of it comes on another stream
    (tmp_path / "greeting.py").write_text("raise ValueError\n")
    (tmp_path / "greeting.py").write_text("def text():\n    return 'three'\n")
    process.line("answers: 200 OK")
    while get(there) != "three":
        process.line("answers: 200 OK")
    assert (there.folder / "static" / "a.txt").exists()
    code, errors = process.stop(signal.SIGINT)
    assert code == 0
    assert "greeting.py:1: " in errors
    assert get(there) == "three"


def test_watch_is_for_one_board(webhal, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(HELLO)
    monkeypatch.setenv(finding.BOARDS, "/dev/one /dev/two")
    assert "--watch is for one board" in webhal("deploy", tmp_path / "app.py", "--all", "--watch")[2]


# -- all at once ---------------------------------------------------------------------------------------------


def test_eight_boards_of_which_one_fails(webhal, boards, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(HELLO)
    kinds = ["esp32", "esp8266", "rp2", "esp32", "esp8266", "esp32", "esp32", "esp32"]
    there = [
        boards(MicroPythonBoard, chip, tcp=index % 2 == 1, version=(1, 19, 0) if index == 3 else (1, 25, 0))
        for index, chip in enumerate(kinds)
    ]
    monkeypatch.setenv(finding.BOARDS, " ".join(board.target for board in there))
    code, output, errors = webhal("deploy", tmp_path / "app.py", "--all", *WIFI)
    assert code == 1
    assert errors.count("\n") == 1
    assert errors.startswith(f"webhal: {there[3].target}: ") and "too old" in errors
    assert "7 of 8 boards done" in output
    for index, board in enumerate(there):
        if index != 3:
            assert get(board) == "hello"
            assert f"{board.target}: {board.url}/ answers: 200 OK" in output


def test_board_that_loses_power_fails_alone(webhal, boards, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(HELLO)
    there = [boards(), boards()]
    there[0].unplug()
    there[0].unplug_after(9000)
    there[0].start()
    monkeypatch.setenv(finding.BOARDS, " ".join(board.target for board in there))
    code, output, errors = webhal("deploy", tmp_path / "app.py", "--all", *WIFI)
    assert code == 1
    assert (
        errors == f"webhal: {there[0].target}: the board stopped answering; plug it in again and repeat the command\n"
    )
    assert get(there[1]) == "hello"


FAILING = """\
from webhal import App
from webhal.templates import render_text

app = App()

@app.get("/")
def page(request):
    return render_text("page.html", x=0)

if __name__ == "__main__":
    app.run()
"""


@pytest.mark.parametrize("typed", [False, True])
def test_tracebacks_have_the_lines_of_templates(boards, webhal, start, tmp_path, typed):
    there = boards()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/page.html").write_text("one\n\n{% if true %}\n{{ 1 / x }}\n{% endif %}\n")
    (tmp_path / "failing.py").write_text(FAILING)
    assert webhal("deploy", tmp_path / "failing.py", "--to", there.target, *WIFI)[0] == 1  # it answers 500
    with contextlib.ExitStack() as stack:
        if typed:
            read_until, _, _ = stack.enter_context(terminal("monitor", there.target, cwd=tmp_path))
            read_until("Ctrl-")
        else:
            process = start.webhal("monitor", there.target, cwd=tmp_path)
            time.sleep(1)
        with pytest.raises(urllib.error.HTTPError):
            get(there)
        if typed:
            read_until('File "templates/page.html", line 4')
        else:
            process.line('File "templates/page.html", line 4')


def test_places_in_templates_are_told_however_the_line_is_cut(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/page.html").write_text("one\n\n{{ 1 / x }}\n")
    said = 'Traceback:\n  File "templates/page_html.py", line 9, in root\n>>> '
    whole = monitor._Told()(said)
    assert 'File "templates/page.html", line ' in whole and whole.endswith(">>> ")
    for cut in range(len(said)):
        told = monitor._Told()
        assert told(said[:cut]) + told(said[cut:]) == whole, cut
