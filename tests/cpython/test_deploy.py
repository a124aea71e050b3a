"""`webhal deploy` to simulated MicroPython boards: a real MicroPython behind a serial line, and real mpremote."""

import _thread
import contextlib
import gc
import io
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from webhal.testing.boards import MicroPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying import together, verify
from webhal_cpython.deploying.serial_board import BoardError, SerialBoard, open_line

pytest.importorskip("mpremote")
pty = pytest.importorskip("pty")
tty = pytest.importorskip("tty")

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

WIFI = 'CIRCUITPY_WIFI_SSID = \'home\'\nCIRCUITPY_WIFI_PASSWORD = "se\\"cret"\n'
AIR = {"home": 'se"cret'}


@pytest.fixture
def project(tmp_path):
    """A folder with an application of two files, and settings."""
    return write_project(tmp_path / "project", "one")


def write_project(folder, version):
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP % version)
    (folder / "greeting.py").write_text(GREETING % version)
    settings = folder / "settings.toml"
    settings.write_text(WIFI)
    settings.chmod(0o600)
    return folder


@pytest.fixture
def board(micropython):
    """board(…) is a board that has power until the test ends."""
    boards = []

    def board(chip="esp32", **options):
        boards.append(MicroPythonBoard(chip, executable=micropython, **{"wifi": AIR, **options}))
        boards[-1].start()
        return boards[-1]

    yield board
    for each in boards:
        each.stop()


def get(board, path="/"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(board.url + path, timeout=30) as answer:
        return answer.read().decode()


def files(board):
    return {str(path.relative_to(board.folder)) for path in board.folder.rglob("*") if path.is_file()}


# -- what is sent, and that it serves -----------------------------------------------------------------------


@pytest.mark.parametrize("chip", ["esp8266", "esp32", "rp2"])
@pytest.mark.parametrize("tcp", [False, True], ids=["pty", "tcp"])
def test_deployed_application_answers(board, deploy, project, chip, tcp):
    there = board(chip, tcp=tcp)
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    assert re.search(rf"^{re.escape(there.url)}/ answers: 200 OK, 7 bytes$", output, re.MULTILINE)
    assert get(there) == "one one"
    assert there.target in output and chip.upper() in output


def test_small_writes_to_a_board_over_tcp_leave_at_once(board):
    line = open_line(board(tcp=True).target)
    with socket.socket(fileno=os.dup(line.serial.fileno())) as same:
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    line.close()


def test_second_deployment_sends_nothing(board, deploy, project):
    there = board()
    deploy(project / "app.py", "--to", there.target)
    before = {path: (there.folder / path).stat().st_mtime_ns for path in files(there)}
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    assert "nothing to send" in output
    assert {path: (there.folder / path).stat().st_mtime_ns for path in files(there)} == before
    assert get(there) == "one one"


def test_change_of_one_line_sends_one_file(board, deploy, project):
    there = board()
    deploy(project / "app.py", "--to", there.target)
    (project / "greeting.py").write_text(GREETING % "two")
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    assert re.search(r"^sent: 1 file, \d+ bytes$", output, re.MULTILINE)
    assert get(there) == "one two"


def test_what_is_not_needed_any_more_is_removed_and_what_is_foreign_stays(board, deploy, project):
    there = board()
    deploy(project / "app.py", "--to", there.target)
    (there.folder / "data.json").write_text("{}")
    (there.folder / "lib" / "foreign.py").write_text("x = 1")
    (project / "app.py").write_text((APP % "alone").replace("from greeting import text", "text = str"))
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    assert "removed: 1" in output
    assert "greeting.mpy" not in files(there)
    assert {"data.json", "lib/foreign.py"} <= files(there)
    assert get(there) == "alone "


def test_foreign_main_is_kept(board, deploy, project):
    there = board()
    (there.folder / "main.py").write_text("print('mine')\n")
    for _ in range(2):
        code, output, errors = deploy(project / "app.py", "--to", there.target)
        assert (code, errors) == (0, "")
    copies = [path for path in files(there) if path.startswith("main.py.")]
    assert len(copies) == 1
    assert (there.folder / copies[0]).read_text() == "print('mine')\n"


def test_main_that_was_changed_on_the_board_is_kept(board, deploy, project):
    there = board()
    deploy(project / "app.py", "--to", there.target)
    (there.folder / "main.py").write_text("print('edited there')\n")
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    (copy,) = re.findall(r"kept as (\S+)", output)
    assert (there.folder / copy).read_text() == "print('edited there')\n"
    assert get(there) == "one one"
    (there.folder / "main.py").write_text("print('edited again')\n")
    deploy(project / "app.py", "--to", there.target)
    assert [path for path in files(there) if path.endswith(".bak")] == [copy]
    assert (there.folder / copy).read_text() == "print('edited again')\n"


def test_no_temporary_file_is_left(board, deploy, project):
    there = board()
    for version in ("one", "two"):
        write_project(project, version)
        deploy(project / "app.py", "--to", there.target)
    assert not leftovers(there)


def test_source_and_bytecode_replace_each_other(board, deploy, project):
    there = board()
    for options, suffix in (((), "mpy"), (("--source",), "py"), ((), "mpy")):
        code, output, errors = deploy(project / "app.py", "--to", there.target, *options)
        assert (code, errors) == (0, "")
        assert {path.rpartition(".")[2] for path in files(there) if path.startswith("lib/")} == {suffix}
        assert get(there) == "one one"


def test_assets_are_sent_under_their_own_names(board, deploy, project, tmp_path):
    (project / "static").mkdir()
    (project / "static" / "style.css").write_text("a {}")
    (project / "static" / ".hidden").write_text("")
    (tmp_path / "outside.txt").write_text("out")
    there = board()
    code, _, errors = deploy(
        project / "app.py", "--to", there.target, "--with", project / "static", "--with", tmp_path / "outside.txt"
    )
    assert (code, errors) == (0, "")
    assert (there.folder / "static/style.css").read_text() == "a {}"
    assert (there.folder / "outside.txt").read_text() == "out"
    assert "static/.hidden" not in files(there)


def test_dry_run_does_nothing(board, deploy, project):
    there = board()
    code, output, errors = deploy(project / "app.py", "--to", there.target, "--dry-run")
    assert (code, errors) == (0, "")
    assert re.search(r"^would send main.py \(\d+ bytes\)$", output, re.MULTILINE)
    assert files(there) == set()


def test_full_sends_more_than_minimal(board, deploy, project):
    there = board()
    found = {}
    for extent in ("--full", "--minimal"):
        assert deploy(project / "app.py", "--to", there.target, extent)[0] == 0
        found[extent] = files(there)
    assert "lib/webhal/stream.mpy" in found["--full"] - found["--minimal"]
    assert get(there) == "one one"


def test_probe_fetches_another_path(board, deploy, project):
    there = board()
    code, output, _ = deploy(project / "app.py", "--to", there.target, "--probe", "/nothing")
    assert code == 0
    assert "/nothing answers: 404 Not Found: it serves, though not this; --probe names another path" in output
    code, output, _ = deploy(project / "app.py", "--to", there.target, "--probe", "grü ße?a=%20")
    assert code == 0
    assert "/gr%C3%BC%20%C3%9Fe?a=%20 answers: 404 Not Found" in output


@pytest.mark.parametrize(
    "call",
    ["config.run(app)", "PORT = 9000 + 3\n    app.run(port=PORT)", "main = lambda port: app.run(port)\n    main(9003)"],
    ids=["elsewhere", "computed", "argument"],
)
def test_port_is_what_the_board_tells(board, deploy, project, monkeypatch, call):
    """However the application comes to it."""
    told = []
    monkeypatch.setattr(verify, "url", lambda host, port, path: told.append(port) or f"http://{host}/")
    (project / "config.py").write_text("def run(app):\n    app.run(port=9003)\n")
    (project / "app.py").write_text("import config\n" + (APP % "one").replace("app.run()", call))
    there = board()
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert told == [9003]


def test_port_may_be_named_where_the_board_cannot_tell(board, deploy, project, monkeypatch):
    told = []
    monkeypatch.setattr(verify, "url", lambda host, port, path: told.append(port) or f"http://{host}/")
    there = board()
    (project / "app.py").write_text(HAND_MADE)
    assert deploy(project / "app.py", "--to", there.target, "--port", "9003")[::2] == (0, "")
    assert told == [9003]


HAND_MADE = """\
import socket
from webhal_micropython.network import Network

Network().up(30000)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("0.0.0.0", 9003)[0][-1])
listener.listen(1)
while True:
    client = listener.accept()[0]
    client.recv(1000)
    client.write(b"HTTP/1.0 200 OK\\r\\n\\r\\nhello")
    client.close()
"""


# -- credentials ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_credentials_are_in_no_output_and_in_no_process(board, project):
    """The password stands in none of the arguments of whatever runs while a board is deployed to."""
    there = board()
    process = subprocess.Popen(
        [sys.executable, "-m", "webhal_cpython", "deploy", project / "app.py", "--to", there.target],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = ""
    while process.poll() is None:
        for arguments in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                seen += arguments.read_text(errors="replace")
    output = process.stdout.read()
    process.stdout.close()
    assert process.returncode == 0, output
    # As truth values, so that a failure does not print everybody's arguments.
    assert (str(project) in seen, AIR["home"] in seen, AIR["home"] in output) == (True, False, False)


def test_settings_are_merged_into_the_boards(board, deploy, project):
    there = board()
    (there.folder / "settings.toml").write_text('# mine\nOTHER = 1\nCIRCUITPY_WIFI_SSID = "old"\n')
    assert deploy(project / "app.py", "--to", there.target)[0] == 0
    assert (there.folder / "settings.toml").read_text() == (
        '# mine\nOTHER = 1\nCIRCUITPY_WIFI_SSID = \'home\'\nCIRCUITPY_WIFI_PASSWORD = "se\\"cret"\n'
    )


def test_settings_of_the_command_line_win(board, deploy, project):
    (project / "settings.toml").write_text("CIRCUITPY_WIFI_SSID = 'wrong'\n")
    there = board()
    code, _, errors = deploy(
        project / "app.py", "--to", there.target, "--wifi-ssid", "home", "--wifi-password", AIR["home"]
    )
    assert (code, errors) == (0, "")
    assert get(there) == "one one"


def test_settings_that_others_can_read_are_made_private(board, deploy, project):
    (project / "settings.toml").chmod(0o644)
    there = board()
    code, output, _ = deploy(project / "app.py", "--to", there.target, "--dry-run")
    assert "is readable by others" in output
    assert stat.S_IMODE((project / "settings.toml").stat().st_mode) == 0o644
    code, output, _ = deploy(project / "app.py", "--to", there.target)
    assert "was readable by others" in output
    assert stat.S_IMODE((project / "settings.toml").stat().st_mode) == 0o600


def test_only_settings_that_webhal_reads_are_sent_to_micropython(board, deploy, project):
    with (project / "settings.toml").open("a") as file:
        file.write('CIRCUITPY_WEB_API_PASSWORD = "hush"\nMINE = 1\nWEBHAL_HOSTNAME = "lamp"\n')
    there = board()
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert (there.folder / "settings.toml").read_text() == WIFI.replace(" = ", " = ") + 'WEBHAL_HOSTNAME = "lamp"\n'


def test_password_is_not_taken_from_an_input_that_is_closed(deploy, project, monkeypatch):
    for standard_input in (io.StringIO(), None):
        monkeypatch.setattr("sys.stdin", standard_input)
        assert "there is no password" in one_line(deploy(project / "app.py", "--to", "x", "--wifi-ssid", "home"))


# -- what goes wrong -----------------------------------------------------------------------------------------


def one_line(outcome):
    code, _, errors = outcome
    assert code == 1
    assert errors.startswith("webhal: ") and errors.count("\n") == 1
    return errors


def test_traceback_is_shown_of_an_application_that_ends_after_it_told_its_address(board, deploy, project):
    there = board()
    (project / "app.py").write_text('from webhal import App\n\nApp().run(host="not a host")\n')
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "the application ended" in errors and "Traceback" in errors and 'main.py", line 3' in errors


def test_traceback_of_the_application_is_shown(board, deploy, project):
    (project / "app.py").write_text("import greeting\nraise ValueError('bad thing')\n")
    there = board()
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "the application ended" in errors
    assert 'File "main.py", line 2' in errors and "ValueError: bad thing" in errors


def test_failure_to_join_is_told_in_words(board, deploy, project):
    there = board(wifi={"home": "other"})
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "the password is wrong" in errors
    assert AIR["home"] not in errors


def test_changed_password_is_proved_though_the_radio_has_joined_already(board, deploy, project):
    """A soft reset does not reach the radio, a power cycle would show it; even where nothing is sent any more."""
    there = board()
    assert deploy(project / "app.py", "--to", there.target)[0] == 0
    for folder in (there.folder, project):
        (folder / "settings.toml").write_text(WIFI.replace("cret", "ret"))
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "nothing to send" in output
    assert "the password is wrong" in errors


def test_running_program_is_interrupted(board, deploy, project):
    there = board()
    (there.folder / "main.py").write_text(
        "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: break\n"
    )
    there.unplug()
    there.start()
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")


def test_board_survives_interrupts_at_any_moment(board):
    """Also those that come between its two programs, or before it has taken the one before."""
    there = board()
    for name in ("boot.py", "main.py"):
        (there.folder / name).write_text("try:\n    while True: pass\nexcept KeyboardInterrupt: pass\n")
    there.unplug()
    there.start()
    line = os.open(there.target, os.O_RDWR | os.O_NOCTTY)
    try:
        said = b""
        give_up = time.monotonic() + 30
        while b">>> " not in said and time.monotonic() < give_up:
            os.write(line, b"\x03")
            if select.select([line], [], [], 0.0005)[0]:
                said += os.read(line, 4096)
    finally:
        os.close(line)
    assert there.on and b">>> " in said


def test_boot_that_does_not_end_is_removed_as_it_is_told(board, deploy, project, monkeypatch):
    there = board()
    (there.folder / "boot.py").write_text("while True: pass\n")
    with monkeypatch.context() as patch:
        patch.setattr("webhal_cpython.deploying.serial_board._INTERRUPT_S", 1)
        errors = one_line(deploy(project / "app.py", "--to", there.target))
    command = re.search("its boot.py does not end, .*: mpremote (.*)", errors)[1].split()
    subprocess.run([sys.executable, "-m", "mpremote", *command], check=True, stdout=subprocess.DEVNULL, timeout=60)
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert get(there) == "one one"


def test_runtime_that_is_too_old(board, deploy, project):
    there = board(version=(1, 19, 1))
    errors = one_line(deploy(project / "app.py", "--to", there.target))
    assert "too old" in errors and "1.20" in errors
    assert files(there) == set()


def test_bytecode_of_another_version(board, deploy, project):
    there = board()
    there.unplug()
    there._facts["mpy"] += 1
    there.start()
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    said = "it loads no .mpy of version 6, so .py is sent"
    assert output.index(said) < output.index("sent: ")
    assert not [path for path in files(there) if path.endswith(".mpy")]
    assert get(there) == "one one"
    assert said not in deploy(project / "app.py", "--to", there.target, "--source")[1]


def test_flash_that_is_too_small(board, deploy, project):
    there = board(flash=40_000)
    errors = one_line(deploy(project / "app.py", "--to", there.target))
    assert re.search(r"its flash has 36 KB free, and \d+ KB are needed", errors)
    assert files(there) == set()


def test_flash_that_fills_up_meanwhile(board, deploy, project, monkeypatch):
    monkeypatch.setattr("webhal_cpython.deploying.plan.Plan.flash", lambda self, block: 0)
    there = board(flash=100_000)
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1 and "sent" not in output
    assert re.search(r"its flash is full: there is no room for lib/webhal\S*\.mpy;", errors)
    assert not [path for path in files(there) if path.endswith(".mpy.new")]


def test_port_that_another_program_holds(board, deploy, project):
    import serial

    there = board()
    deploy(project / "app.py", "--to", there.target)  # then it starts no process, to which the lock would pass
    with serial.serial_for_url(there.target, exclusive=True):
        assert "held by another program" in one_line(deploy(project / "app.py", "--to", there.target))
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")


def test_port_that_is_not_there(deploy, project):
    assert "there is no /dev/ttyNOTHING" in one_line(deploy(project / "app.py", "--to", "/dev/ttyNOTHING"))


def test_application_that_the_board_does_not_run(board, deploy, project):
    (project / "app.py").write_text("import typing\n" + APP % "one")
    there = board()
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "app.py:1:" in errors and "typing" in errors
    assert files(there) == set()


def test_application_that_is_no_python(board, deploy, project):
    (project / "app.py").write_text("def\n")
    assert "app.py:1: invalid syntax" in one_line(deploy(project / "app.py", "--to", "/dev/null"))


def test_settings_that_cannot_be_read(deploy, project):
    (project / "settings.toml").write_bytes(b'CIRCUITPY_WIFI_SSID = "caf\xe9"\n')
    assert "settings.toml: it is not UTF-8" in one_line(deploy(project / "app.py", "--to", "/dev/null"))


def test_what_is_no_serial_port(deploy, project):
    assert "is no serial port" in one_line(deploy(project / "app.py", "--to", "/dev/null"))
    assert "cannot connect to ftp://x" in one_line(deploy(project / "app.py", "--to", "ftp://x"))


def test_port_at_which_nobody_answers(deploy, project, monkeypatch):
    monkeypatch.setattr("webhal_cpython.deploying.serial_board._INTERRUPT_S", 1)
    ours, theirs = pty.openpty()
    try:
        errors = one_line(deploy(project / "app.py", "--to", os.ttyname(theirs)))
    finally:
        os.close(ours)
        os.close(theirs)
    assert "no answer from a MicroPython" in errors


@pytest.mark.parametrize(
    "flood",
    [b"noise ", b">", b"\x01", b"raw REPL; CTRL-B to exit\r\n>soft reboot\r\n", b"\r\n>R\x01\x80\x00\x01\x04\x04"],
    ids=["noise", "prompts", "windows", "greetings", "answers"],
)
@pytest.mark.parametrize("command", ["deploy", "devices"])
def test_device_that_floods_holds_no_command_for_ever(deploy, project, monkeypatch, capsys, flood, command):
    monkeypatch.setattr("webhal_cpython.deploying.serial_board._INTERRUPT_S", 0.2)
    monkeypatch.setattr("webhal_cpython.deploying.serial_board._ANSWER_S", 0.2)
    monkeypatch.setattr("webhal_cpython.deploying.serial_board._OPERATION_S", 0.2)
    with flooding(flood) as target:
        if command == "deploy":
            errors = one_line(deploy(project / "app.py", "--to", target))
        else:
            monkeypatch.setattr("webhal_cpython.deploying.finding.targets", lambda: [target])
            assert cli.main(["devices"]) == 1
            errors = capsys.readouterr().out
    assert re.search("no answer from a MicroPython|prints on and on|stopped answering|does not (reset|end)", errors)


@contextlib.contextmanager
def flooding(data):
    """A serial port on which this comes again and again, whatever is sent."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    over = threading.Event()

    def flood():
        while not over.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(ours, 100 * data)
            with contextlib.suppress(BlockingIOError):
                os.read(ours, 4096)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        over.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    "answer", [b"\xff\xfe", b"hello", b"(1, 2)", b"print(", b"\0", b"\x04 \r\n", b"\x04\xff", b"\x04E: 1\n"]
)
def test_device_that_answers_anything_is_told_in_one_line(deploy, project, answer):
    """It speaks the raw REPL, and to every program it says the same; what follows a \\x04 are errors."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def speak():
        seen = b""
        with contextlib.suppress(OSError):  # it is closed
            while sign := os.read(ours, 1):
                seen = (seen + sign)[-3:]
                if sign == b"\x01" and seen != b"\x05A\x01":
                    os.write(ours, b"raw REPL; CTRL-B to exit\r\n>")
                elif sign == b"\x01":
                    os.write(ours, b"R\0")
                elif seen[-2:] in (b"\x01\x04", b">\x04"):
                    os.write(ours, b"OK\r\nMPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>")
                elif sign == b"\x02":
                    os.write(ours, b"\r\n>>> ")
                elif sign == b"\x04":
                    output, _, error = answer.partition(b"\x04")
                    os.write(ours, b"OK" + output + b"\x04" + error + b"\x04>MPY: soft reboot\r\n>")

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        errors = one_line(deploy(project / "app.py", "--to", os.ttyname(theirs)))
    finally:
        os.close(theirs)
        thread.join()
        os.close(ours)
    assert re.search("not as a MicroPython|stopped answering|: E: 1$", errors.strip()) or answer == b"\x04 \r\n"


def test_board_that_resets_midway(board, deploy, project, monkeypatch):
    monkeypatch.setattr("webhal_cpython.deploying.serial_board._ANSWER_S", 1)
    there = board()
    real = SerialBoard._write

    def write(self, path, data, advance=lambda count: None):
        if path == "lib/webhal/http.mpy":
            self._line.exec_raw_no_follow("import machine\nmachine.reset()")
        real(self, path, data, advance)

    with monkeypatch.context() as patch:
        patch.setattr(SerialBoard, "_write", write)
        assert "the board stopped answering" in one_line(deploy(project / "app.py", "--to", there.target))
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert get(there) == "one one"


def test_wifi_is_asked_for_and_kept(board, project):
    """At a terminal; the password is not shown there, and a bar shows what is sent."""
    (project / "settings.toml").write_text("# mine\n")
    there = board()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "webhal_cpython", "deploy", project / "app.py", "--to", there.target],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    answers = {"The WiFi to join": "home", "Password of the WiFi home": AIR["home"]}
    try:
        while piece := os.read(ours, 1024):
            shown += piece.decode()
            for question in [question for question in answers if question in shown]:
                os.write(ours, answers.pop(question).encode() + b"\n")
    except OSError:  # Linux's way to say that it has ended
        pass
    os.close(ours)
    assert process.wait() == 0, shown
    assert AIR["home"] not in shown
    assert "kB" in shown or "bytes" in shown
    assert get(there) == "one one"
    text = (project / "settings.toml").read_text()
    assert text.startswith("# mine\n") and 'CIRCUITPY_WIFI_SSID = "home"' in text
    assert stat.S_IMODE((project / "settings.toml").stat().st_mode) == 0o600


def test_end_of_the_input_is_an_answer_too(board, deploy, project, monkeypatch):
    (project / "settings.toml").unlink()
    there = board()
    monkeypatch.setattr("sys.stdin", TerminalAtItsEnd())
    assert "no WiFi is named" in deploy(project / "app.py", "--to", there.target)[2]


class TerminalAtItsEnd(io.StringIO):
    def isatty(self):
        return True


# -- an update that does not come up --------------------------------------------------------------------------


def fails(text):
    return (APP % "two").replace("from greeting import text\n", f"from extra import text\n{text}\n")


FAILURES = {
    "raises": (fails("raise ValueError('bad thing')"), "ValueError: bad thing"),
    "needs memory": (fails("bytearray(1 << 20)"), "MemoryError"),
    "answers 500": (fails("text = None"), "answers 500 Internal Server Error"),
    "says nothing": (fails("import time\ntime.sleep(1000)"), "the board does not tell within 1.5 s that it listens"),
}


@pytest.mark.parametrize("failure, chip", [("raises", "esp8266"), *((failure, "esp32") for failure in FAILURES)])
def test_update_that_does_not_come_up_brings_the_old_application_back(
    board, deploy, project, monkeypatch, failure, chip
):
    monkeypatch.setattr("webhal_cpython.deploying.console._START_S", 1.5)
    there = board(chip)
    assert deploy(project / "app.py", "--to", there.target)[0] == 0
    before = contents(there)
    text, words = FAILURES[failure]
    (project / "app.py").write_text(text)
    (project / "greeting.py").unlink()
    (project / "extra.py").write_text(GREETING % "two")
    (project / "settings.toml").write_text(WIFI + "WEBHAL_COUNTRY = 'DE'\n")
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert words in errors
    assert f"the old application is back: {there.url}/ answers: 200 OK, 7 bytes" in errors
    assert get(there) == "one one"
    assert contents(there) == before
    write_project(project, "three")
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert get(there) == "three three"


def contents(there):
    return {path: (there.folder / path).read_bytes() for path in files(there)}


def test_update_that_does_not_come_up_is_kept_where_that_is_asked_for(board, deploy, project):
    there = board()
    assert deploy(project / "app.py", "--to", there.target)[0] == 0
    (project / "app.py").write_text("raise ValueError\n")
    code, _, errors = deploy(project / "app.py", "--to", there.target, "--keep")
    assert code == 1 and "is back" not in errors
    assert (there.folder / "main.py").read_text() == "raise ValueError\n"


def test_old_application_that_does_not_come_up_either_is_told(board, deploy, project):
    there = board()
    (project / "app.py").write_text("raise ValueError('one')\n")
    assert deploy(project / "app.py", "--to", there.target)[0] == 1
    (project / "app.py").write_text("raise ValueError('two')\n")
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    assert "ValueError: two" in errors
    assert re.search("the old application, put back, does not come up either: .*ValueError: one", errors, re.DOTALL)


def test_what_the_board_cannot_import_is_told_before_anything_is_replaced(board, deploy, project):
    there = board()
    (there.folder / "lib").mkdir()
    (there.folder / "lib" / "there.py").write_text("raise SystemExit('it was run')\n")
    assert deploy(project / "app.py", "--to", there.target)[0] == 0
    before = contents(there)
    (project / "app.py").write_text(
        "import there, time, machine\nimport umqtt.simple\ntry:\n    import maybe\nexcept ImportError:\n    pass\n"
        + APP % "two"
    )
    (project / "greeting.py").write_text("import neopixel2\n" + GREETING % "two")
    code, _, errors = deploy(project / "app.py", "--to", there.target)
    assert code == 1
    lines = errors.splitlines()
    assert lines[1:] == [
        "webhal: greeting.py:1: the board has no module neopixel2",
        "webhal: app.py:2: the board has no module umqtt.simple",
    ]
    assert contents(there) == before
    assert page(there) == "one one"


# -- a MicroPython without WiFi -------------------------------------------------------------------------------


def without(there, *modules):
    """Let the firmware have these modules no more."""
    lines = "".join(f"sys.modules[{name!r}] = None\ndel sys.modules[{name!r}]\n" for name in modules)
    (there.folder / "boot.py").write_text("import sys\n" + lines)


def test_board_whose_system_looks_after_the_network(board, deploy, project):
    there = board()
    without(there, "network")
    port = int(there.url.rpartition(":")[2])
    (project / "app.py").write_text((APP % "one").replace("run()", f"run(port={port})"))
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    assert f"{there.url}/ answers: 200 OK" in output
    assert "lib/webhal_micropython/unix.mpy" in files(there)


# -- whatever stops early gives the board back running --------------------------------------------------------

COUNTS = "import time\nopen('starts', 'a').write('x')\nwhile True:\n    time.sleep(1)\n"


@pytest.fixture(params=["esp32", "esp8266"])
def running(board, request):
    """A board with a program that counts its starts."""

    def running(**options):
        there = board(request.param, **options)
        (there.folder / "main.py").write_text(COUNTS)
        there.unplug()
        there.start()
        wait_for_starts(there, 1)
        return there

    return running


def wait_for_starts(there, count):
    give_up = time.monotonic() + 30
    while not (there.folder / "starts").exists() or len((there.folder / "starts").read_text()) < count:
        assert time.monotonic() < give_up, "the program does not run"
        time.sleep(0.02)


def test_dry_run_gives_the_board_back(running, deploy, project):
    there = running()
    assert deploy(project / "app.py", "--to", there.target, "--dry-run")[::2] == (0, "")
    wait_for_starts(there, 2)


def test_refusal_gives_the_board_back(running, deploy, project):
    there = running()
    (project / "app.py").write_text("import typing\n" + APP % "one")
    assert deploy(project / "app.py", "--to", there.target)[0] == 1
    wait_for_starts(there, 2)
    write_project(project, "one")
    there = running(flash=40_000)
    assert "are needed" in one_line(deploy(project / "app.py", "--to", there.target))
    wait_for_starts(there, 2)
    there = running(version=(1, 19, 1))
    assert "too old" in one_line(deploy(project / "app.py", "--to", there.target))
    wait_for_starts(there, 2)


def test_flash_that_is_full_or_read_only_gives_the_board_back(running, deploy, project, monkeypatch):
    there = running()

    def write(self, path, data, advance=None):
        raise BoardError(30)

    with monkeypatch.context() as patch:
        patch.setattr(SerialBoard, "_write", write)
        assert "cannot write webhal.files: Read-only file system" in one_line(
            deploy(project / "app.py", "--to", there.target)
        )
    wait_for_starts(there, 2)
    monkeypatch.setattr("webhal_cpython.deploying.plan.Plan.flash", lambda self, block: 0)
    there = running(flash=60_000)
    assert "flash is full" in one_line(deploy(project / "app.py", "--to", there.target))
    wait_for_starts(there, 2)


def test_board_that_cannot_go_on_is_told(board, deploy, project, monkeypatch):
    there = board()

    def start(self, rejoin):
        raise self._lost()

    monkeypatch.setattr(SerialBoard, "start", start)
    assert "was stopped and does not start again: press its reset button" in one_line(
        deploy(project / "app.py", "--to", there.target, "--dry-run")
    )


# -- interruptions -------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_at_once_and_the_same_command_completes_it(board, deploy, project):
    """While a board is waited for that does not tell its address."""
    (project / "app.py").write_text("import time\ntime.sleep(1000)\n" + APP % "one")
    there = board()
    process = subprocess.Popen(
        [sys.executable, "-m", "webhal_cpython", "deploy", project / "app.py", "--to", there.target],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (there.folder / "main.py").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "webhal: interrupted\n"
    assert process.returncode == 130
    write_project(project, "two")
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert get(there) == "two two"


def test_ctrl_c_gives_each_of_several_boards_back(board, project, deploy):
    """What runs afterwards is the old application, or the new one."""
    boards = [board(), board("esp8266")]
    for there in boards:
        assert deploy(project / "app.py", "--to", there.target)[0] == 0
    write_project(project, "two")
    (project / "big.txt").write_bytes(bytes(300_000))
    arguments = "deploy", project / "app.py", "--all", "--with", project / "big.txt"
    for delay in (0.2, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "webhal_cpython", *arguments],
            env={**os.environ, "WEBHAL_BOARDS": " ".join(there.target for there in boards)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()  # one board has told what it is
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == "webhal: interrupted\n"
        for there in boards:
            assert page(there) in ("one one", "two two")


def test_ctrl_c_does_not_wait_for_any_of_several_boards():
    never = threading.Event()

    def act(target):
        if target == "second":
            _thread.interrupt_main()
        never.wait()

    with pytest.raises(KeyboardInterrupt):
        together.each(act, ["first", "second"], never.set)


def test_no_garbage_is_collected_while_threads_parse():
    """In Python 3.11 it lets the parser fail, once in some thousand times."""
    assert together.each(lambda target: gc.isenabled(), ["first", "second"], lambda: None) == [False, False]
    assert gc.isenabled()


@pytest.fixture(scope="module")
def first_version(micropython, tmp_path_factory):
    """The flash of a board that runs the first version."""
    folder = tmp_path_factory.mktemp("first")
    project = write_project(tmp_path_factory.mktemp("project"), "one")
    with MicroPythonBoard("esp32", folder, micropython, wifi=AIR) as there:
        assert cli.main(["deploy", str(project / "app.py"), "--to", there.target]) == 0
    return folder


def second_version(folder):
    """Differs in several files, which do not go together with those of the first."""
    write_project(folder, "two")
    (folder / "app.py").write_text((APP % "two").replace("greeting import text", "greeting import said as text"))
    (folder / "greeting.py").write_text("import extra\ndef said():\n    return extra.TEXT\n")
    (folder / "extra.py").write_text("TEXT = 'two'\n")
    return folder


INTERRUPTIONS = int(os.environ.get("WEBHAL_INTERRUPTS", "10"))
GOLDEN = 0.618034  # multiples of it, modulo 1, are spread evenly however many there are


@pytest.fixture(scope="module")
def extent(first_version, micropython, tmp_path_factory):
    """How many bytes an update writes on the board, at most, and how long it takes in seconds."""
    project = second_version(tmp_path_factory.mktemp("project"))
    folder = tmp_path_factory.mktemp("flash")
    shutil.copytree(first_version, folder, dirs_exist_ok=True)
    plans = []
    with pytest.MonkeyPatch.context() as patch, MicroPythonBoard("esp32", folder, micropython, wifi=AIR) as there:
        apply = SerialBoard.apply
        patch.setattr(SerialBoard, "apply", lambda self, plan, *more: plans.append(plan) or apply(self, plan, *more))
        start = time.monotonic()
        assert cli.main(["deploy", str(project / "app.py"), "--to", there.target]) == 0
        seconds = time.monotonic() - start
    changes = 3 * (len(plans[0].send) + len(plans[0].remove)) + 20
    return plans[0].size + len(plans[0].union) + len(plans[0].record) + 2000 + changes, seconds


@pytest.fixture
def interrupt(first_version, extent, micropython, tmp_path, deploy):
    """interrupt(way, place): what the board answers after an update that ended there, of 0 to 1.

    Then the same command has completed it. place may be a number of bytes, if it is the power that goes.
    """
    project = second_version(tmp_path / "project")

    def interrupt(way, place):
        folder = tmp_path / "flash"
        shutil.copytree(first_version, folder)
        there = MicroPythonBoard("esp32", folder, micropython, wifi=AIR)
        arguments = project / "app.py", "--to"
        if way == "power":
            there.unplug_after(place if isinstance(place, int) else int(place * extent[0]))
        there.start()
        assert page(there) == "one one"  # while it starts, MicroPython on a PC does not always survive a Ctrl-C
        if way == "power":
            deploy(*arguments, there.target, "--no-verify")
            restart(there)
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", "webhal_cpython", "deploy", *arguments, there.target],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            process.stdout.readline()  # what the board is: the program is loaded
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(place * extent[1])
            process.send_signal(signal.SIGKILL if way == "kill" else signal.SIGINT)
            process.communicate(timeout=30)
            if way == "kill":
                restart(there)
        seen = page(there)
        code, _, errors = deploy(*arguments, there.target)
        assert (code, errors) == (0, ""), f"repeated after {way} at {place}"
        assert page(there) == "two two"
        assert not leftovers(there)
        there.stop()
        shutil.rmtree(folder)
        assert seen in ("one one", "two two"), f"{way} at {place}"
        return seen

    return interrupt


@pytest.mark.parametrize("number", range(INTERRUPTIONS))
def test_interrupted_deployment_leaves_one_application_or_the_other(interrupt, number):
    """The power goes, the program is killed, or Ctrl-C is pressed; the same command completes it."""
    interrupt(("power", "kill", "Ctrl-C")[number % 3], number * GOLDEN % 1)


def test_power_that_goes_at_the_byte_at_which_the_old_application_ends(interrupt, extent):
    """Next to it would be what is neither."""
    old, new = 0, extent[0]
    while new - old > 1:
        middle = (old + new) // 2
        if interrupt("power", middle) == "one one":
            old = middle
        else:
            new = middle


def test_power_that_goes_while_files_are_put_in_place_leaves_the_new_application(
    first_version, micropython, tmp_path, deploy, monkeypatch
):
    """Each step of it: main.py completes at the next boot what it was doing, and may be cut off in that as well."""
    project = second_version(tmp_path / "project")
    steps = tmp_path / "steps"
    shutil.copytree(first_version, steps)
    with MicroPythonBoard("esp32", steps, micropython, wifi=AIR) as there:
        assert page(there) == "one one"
        with monkeypatch.context() as patch:
            real = SerialBoard.complete

            def complete(self):
                if hasattr(self, "again"):
                    there.unplug()
                self.again = True
                real(self)

            patch.setattr(SerialBoard, "complete", complete)
            assert "stopped answering" in one_line(deploy(project / "app.py", "--to", there.target))
    assert "webhal puts a new application in place" in (steps / "main.py").read_text()
    renames = len((steps / "webhal.todo").read_text().splitlines()) + 1
    for cut in range(renames + 2):
        folder = tmp_path / "flash"
        shutil.copytree(steps, folder)
        there = MicroPythonBoard("esp32", folder, micropython, wifi=AIR)
        there.unplug_after(cut)
        there.start()
        if cut < renames:
            there.wait_until_off()
        restart(there)
        assert page(there) == "two two", f"cut after {cut}"
        there.stop()
        shutil.rmtree(folder)


def test_what_an_interrupted_deployment_had_sent_is_used(board, project, deploy):
    there = board()
    interrupted(there, deploy, project / "app.py")
    sent = len(leftovers(there))
    code, output, errors = deploy(project / "app.py", "--to", there.target)
    assert (code, errors) == (0, "")
    whole = len(files(there)) - 1  # the list of them is not counted
    assert sent > 5
    assert re.search(rf"^sent: {whole - sent + 1} files", output, re.MULTILINE)  # one had been cut


def test_what_an_interrupted_deployment_had_sent_in_vain_is_removed(board, project, deploy):
    there = board()
    interrupted(there, deploy, project / "app.py", "--source", "--full")
    assert leftovers(there)
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert not leftovers(there)


def interrupted(there, deploy, *arguments):
    """Deploy until 20,000 bytes are written, when the power goes."""
    there.unplug()
    there.unplug_after(20_000)
    there.start()
    assert "stopped answering" in one_line(deploy(*arguments, "--to", there.target))
    restart(there)


def test_power_that_goes_when_all_is_in_place_leaves_nothing_behind(board, project, deploy):
    there = board()
    deploy(project / "app.py", "--to", there.target)
    (there.folder / "webhal.todo").write_text("+greeting.py\n")
    assert deploy(project / "app.py", "--to", there.target, "--dry-run")[::2] == (0, "")
    assert leftovers(there) == ["webhal.todo"]  # which would be for another time
    assert page(there) == "one one"
    assert deploy(project / "app.py", "--to", there.target)[::2] == (0, "")
    assert not leftovers(there)


def test_program_that_is_killed_leaves_the_old_application(board, project, deploy):
    """The line is cut, the board keeps its power, and the same command completes it."""
    there = board()
    deploy(project / "app.py", "--to", there.target)
    write_project(project, "two")
    (project / "big.txt").write_bytes(bytes(200_000))

    def arguments():
        return project / "app.py", "--to", there.target, "--with", project / "big.txt"

    process = subprocess.Popen(
        [sys.executable, "-m", "webhal_cpython", "deploy", *arguments()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (there.folder / "big.txt.new").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    restart(there)  # at another port, maybe
    assert page(there) == "one one"
    assert deploy(*arguments())[::2] == (0, "")
    assert page(there) == "two two"


def restart(there):
    there.unplug()
    there.unplug_after(None)
    there.start()


def page(there):
    """What the board answers once it is up."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return get(there)
        except OSError:
            assert time.monotonic() < give_up, "it serves nothing"
            time.sleep(0.02)


def leftovers(there):
    return [path for path in files(there) if path.endswith((".new", ".todo", ".step"))]


# -- whatever a client sends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("extent", [(), ("--minimal",)], ids=["default", "minimal"])
def test_nothing_is_missing_for_what_clients_send(board, deploy, project, extent):
    there = board()
    assert deploy(project / "app.py", "--to", there.target, *extent)[::2] == (0, "")
    sent = {
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n": b"200",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n": b"200",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n": b"204",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc": b"405",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": b"405",
        b"GET /%41?b=c HTTP/1.1\r\nHost: a\r\nCookie: d=e\r\n\r\n": b"404",
        b"GET / HTTP/1.0\r\n\r\n": b"200",
        b"hello\r\n\r\n": b"400",
        b"GET /" + 5000 * b"x": b"414",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3: b"200",
    }
    host, port = there.url.removeprefix("http://").split(":")
    for request, status in sent.items():
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(request)
            assert client.recv(4096).split()[1] == status, request[:40]
    assert get(there) == "one one"
