"""The logs of `webhal run`: forms, levels, files that are opened anew, ids of requests, logs that cannot be written."""

import http.client
import json
import logging
import os
import re
import signal
import time
from datetime import datetime

import pytest

from webhal_cpython.output import LogFile, Output
from webhal_cpython.running import logs
from webhal_cpython.running.configuration import Settings

FILE = """
from webhal import App
app = App()
app.get("/")(lambda request: "hello")
app.get("/id")(lambda request: request.id)
app.get("/stream")(lambda request: iter(["a", "b"]))
app.get("/broken")(lambda request: 1 // 0)
app.run(port=0, host="127.0.0.1")
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def run(start, tmp_path):
    """run(*arguments, file) returns (process, port) of `webhal run`."""

    def run(*arguments, file=FILE):
        (tmp_path / "app.py").write_text(file)
        process = start.webhal("run", "app.py", *arguments, cwd=tmp_path)
        return process, int(process.line(r"^Serving on .*:(\d+)/")[1])

    return run


def get(port, path="/", **fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    response = connection.getresponse()
    response.body = response.read().decode()
    connection.close()
    return response


def until(condition):
    """Wait until it is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- forms -------------------------------------------------------------------------------------------------


def test_json_lines(run):
    process, port = run("--log-format", "json")
    get(port, '/?a="\\%20')
    get(port, "/stream")
    get(port, "/broken")
    code, errors = process.stop(signal.SIGTERM)
    first, stream, broken = map(json.loads, process.rest())
    assert 0 <= first.pop("ms") < 60_000
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "INFO", "logger": "webhal.access", "client": "127.0.0.1", "request": 'GET /?a=\\"\\%20 HTTP/1.1',
        "status": 200, "bytes": 5,
    }  # fmt: skip
    assert stream["bytes"] is None and broken["status"] == 500
    error = json.loads(errors)
    assert (error["level"], error["logger"]) == ("ERROR", "webhal.error")
    assert error["message"].startswith("ZeroDivisionError: ")
    assert error["traceback"].startswith("Traceback") and 'app.py", line 7' in error["traceback"]


def test_error_is_a_line_with_time_and_level_and_the_traceback(run):
    process, port = run()
    get(port, "/broken")
    _, errors = process.stop(signal.SIGTERM)
    first, second, *_, last = errors.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR (ZeroDivisionError: .*)", first)[1] == last
    assert second == "Traceback (most recent call last):"


def test_control_characters_of_an_error_reach_no_terminal(run):
    raising = 'def bad(request): raise ValueError(request.headers["x-bad"] + "\\x1b[2J")\napp.get("/bad")(bad)\n'
    process, port = run(file=FILE.replace("app.run", raising + "app.run"))
    get(port, "/bad", x_bad="\x9b2J")
    _, errors = process.stop(signal.SIGTERM)
    assert r"ValueError: \x9b2J\x1b[2J" in errors
    assert errors.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("level", "requests", "errors"), [("info", 1, True), ("warning", 0, True), ("critical", 0, False)]
)
def test_level(run, level, requests, errors):
    process, port = run("--log-level", level)
    get(port, "/broken")
    assert bool(process.stop(signal.SIGTERM)[1]) == errors
    assert len(process.rest()) == requests


# -- what an application makes of it --------------------------------------------------------------------------


def test_handler_of_the_application_has_the_lines(run):
    own = """
import logging, sys
class Own(logging.Handler):
    def emit(self, record):
        print("own", record.getMessage(), record.status, record.levelname, record.process is not None, flush=True)
logging.getLogger("webhal.access").addHandler(Own())
logging.getLogger("webhal.access").setLevel("INFO")
logging.basicConfig(format="root %(message)s", stream=sys.stdout)
"""
    process, port = run(file=own + FILE)
    get(port)
    get(port, "/broken")
    code, errors = process.stop(signal.SIGTERM)
    lines = [
        line for line in process.rest() if not line.startswith("root")
    ]  # it propagates, as the application left it
    assert [line.split()[0] for line in lines] == ["own", "own"]
    assert re.fullmatch(r'own 127\.0\.0\.1 - - \[.*\] "GET / HTTP/1\.1" 200 5 200 INFO True\n', lines[0])
    assert "ZeroDivisionError" in errors  # of that logger it said nothing


def test_configuration_that_disables_loggers_that_there_were_disables_none_of_these(run):
    own = "import logging.config\nlogging.config.dictConfig({'version': 1})\n"
    process, port = run(file=own + FILE)
    get(port)
    assert process.stop(signal.SIGTERM) == (0, "")
    assert len(process.rest()) == 1


# -- ids ------------------------------------------------------------------------------------------------------


def test_id_is_made_or_taken_over_if_it_is_sane_and_told(run):
    process, port = run("--request-id", "--log-format", "json")
    made = [get(port, path).headers["X-Request-Id"] for path in ("/", "/", "/stream", "/nothing", "/broken")]
    assert len(set(made)) == 5 and all(re.fullmatch("[0-9a-f]{16}", each) for each in made)
    response = get(port, "/id", X_Request_ID="  f81d4fae-7dec.11d0/a_1 ")
    assert response.headers["X-Request-Id"] == response.body == "f81d4fae-7dec.11d0/a_1"
    for insane in ("two words", 'quo"te', "x" * 129, "\xe9", ""):
        assert re.fullmatch("[0-9a-f]{16}", get(port, "/id", X_Request_ID=insane).body)
    assert process.stop(signal.SIGTERM)[0] == 0
    lines = [json.loads(line) for line in process.rest()]
    assert [line["id"] for line in lines[:6]] == [*made, "f81d4fae-7dec.11d0/a_1"]


def test_id_without_an_access_log(run):
    process, port = run("--request-id", "--no-access-log")
    assert get(port, X_Request_ID="mine").headers["X-Request-Id"] == "mine"
    assert process.stop(signal.SIGTERM) == (0, "")
    assert process.rest() == []


def test_no_id_unless_it_is_asked_for(run):
    process, port = run()
    assert "X-Request-Id" not in get(port, X_Request_ID="mine").headers


# -- files ----------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_files_are_opened_anew(run, tmp_path, number):
    process, port = run("--access-log-file", "access", "--error-log-file", "errors")
    get(port, "/?before")
    get(port, "/broken")
    for name in ("access", "errors"):
        (tmp_path / name).rename(tmp_path / f"{name}.1")
    process.popen.send_signal(number)
    until((tmp_path / "errors").exists)
    get(port, "/?after")
    get(port, "/broken")
    assert process.stop(signal.SIGTERM) == (0, "")
    assert process.rest() == []
    for name in ("access", "access.1"):
        assert (tmp_path / name).read_text().count("\n") == 2
    assert "?before" in (tmp_path / "access.1").read_text() and "?after" in (tmp_path / "access").read_text()
    for name in ("errors", "errors.1"):
        assert (tmp_path / name).read_text().count("ZeroDivisionError") == 2


@posix
@pytest.mark.parametrize("arguments", [[], ["--access-log-file", "access"]])
def test_closing_the_terminal_ends_it_and_leaves_no_file(start, tmp_path, arguments):
    (tmp_path / "app.py").write_text(FILE)
    terminal, inside = os.openpty()
    process = start.webhal("run", "app.py", "--pid", "pid", *arguments, cwd=tmp_path, stdin=inside)
    os.close(inside)
    process.line("^Serving on ")
    os.close(terminal)
    assert process.stop(signal.SIGHUP) == (0, "")
    assert not (tmp_path / "pid").exists()


@posix
def test_file_that_cannot_be_opened_anew_goes_on(run, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    process, port = run("--access-log-file", "logs/access")
    get(port)
    folder.rename(tmp_path / "gone")
    process.popen.send_signal(signal.SIGHUP)
    get(port)
    code, errors = process.stop(signal.SIGTERM)
    assert code == 0 and errors.endswith(
        "logs/access again, and go on with the one before: No such file or directory\n"
    )
    assert (tmp_path / "gone" / "access").read_text().count("\n") == 2


@pytest.mark.parametrize("option", ["--access-log-file", "--error-log-file"])
def test_file_that_cannot_be_opened_is_one_line(start, tmp_path, option):
    (tmp_path / "app.py").write_text(FILE)
    process = start.webhal("run", "app.py", option, "nowhere/log", cwd=tmp_path)
    message = f"webhal: cannot write to {tmp_path}/nowhere/log: No such file or directory\n"
    assert process.end() == (1, message)


def test_file_of_lines_that_are_not_logged_is_not_made(run, tmp_path):
    run("--no-access-log", "--access-log-file", "access")
    assert not (tmp_path / "access").exists()


@posix
def test_named_pipe_without_a_reader_is_not_waited_for(start, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "app.py").write_text(FILE)
    process = start.webhal("run", "app.py", "--access-log-file", "pipe", cwd=tmp_path)
    assert process.end()[0] == 1


# -- logs that cannot be written ---------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's file that never has room")
@pytest.mark.parametrize("form", logs.FORMATS)
def test_full_disk_costs_lines_only(run, form):
    process, port = run("--access-log-file", "/dev/full", "--error-log-file", "/dev/full", "--log-format", form)
    for _ in range(2):
        assert (get(port).status, get(port, "/broken").status) == (200, 500)
    assert process.stop(signal.SIGTERM) == (0, "")


@posix
def test_pipe_that_nobody_reads_costs_lines_only(tmp_path):
    """A reader that has stopped, in JSON: what was lost is told in JSON, too."""
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        output = Output(file)
        output.note = '{"lost": %d}'
        for number in range(40):
            output.write(f"{number} " + 4090 * "x")
        first = os.read(reader, 65536)
        output.write("last")
        rest = os.read(reader, 65536).decode()
    os.close(reader)
    lines = first.decode().splitlines()
    assert all(re.fullmatch(r"\d+ x{4090,}", line) for line in lines)
    *more, note, last = rest.splitlines()
    assert json.loads(note) == {"lost": 40 - len(lines) - len(more)} and last == "last"


@posix
def test_line_that_a_pipe_might_not_take_at_once_is_cut():
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        Output(file).write(5000 * "x")
    assert os.read(reader, 8192) == 4095 * b"x" + b"\n"
    os.close(reader)


@pytest.mark.parametrize("text", ["x", "é\x1b", "\U0001f600"])
def test_json_of_an_error_fits_into_what_a_pipe_takes_at_once(monkeypatch, text):
    monkeypatch.setattr(logging.getLogger("webhal.error"), "handlers", [])
    reader, writer = os.pipe()
    with open(writer, "w") as file:
        log = logs.Logs({**Settings(), "log-format": "json"}, Output(None), Output(file))
        log.report(ValueError(9000 * text))
        line = os.read(reader, 8192).decode()
    os.close(reader)
    assert text in json.loads(line)["message"]
    assert json.loads(line)["traceback"].endswith(text[-1])


def test_file_on_a_disk_has_whole_lines(tmp_path):
    LogFile(str(tmp_path / "log")).write(5000 * "é" + "\udcff")
    assert (tmp_path / "log").read_text("utf-8") == 5000 * "é" + "\\udcff\n"
