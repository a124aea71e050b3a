"""What `webhal run` is told, on the command line, in the environment, in pyproject.toml, by the file; what holds."""

import argparse
import os
import sys

import pytest

from webhal_cpython.running import configuration
from webhal_cpython.running.configuration import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "from webhal import App\napp = App()\napp.get('/')(lambda request: 'hello')\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """read(table, arguments, **environment) returns Settings, of a project with that [tool.webhal]."""
    monkeypatch.chdir(tmp_path)

    def read(table="", arguments=(), folders=("",), **environment):
        (tmp_path / "pyproject.toml").write_text("[tool.webhal]\n" + table)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        parser = argparse.ArgumentParser()
        configuration.add_options(parser)
        return configuration.read(parser.parse_args(arguments), folders)

    return read


def test_nothing_said_is_the_file_s_to_say(read):
    settings = read()
    assert settings["port"] is None and settings["access-log"] is True
    assert set(settings.sources.values()) == {"default"}


def test_command_line_wins_over_the_environment_and_that_over_the_table(read):
    table = "port = 1\nhead = 1\nbody = 1\n"
    settings = read(table, ["--port", "3"], WEBHAL_PORT="2", WEBHAL_HEAD="2")
    assert (settings["port"], settings["head"], settings["body"]) == (3, 2, 1)
    assert settings.sources["port"] == "command line"
    assert settings.sources["head"] == "WEBHAL_HEAD"
    assert settings.sources["body"] == "pyproject.toml"


def test_each_option_can_be_said_everywhere(read):
    samples = {
        configuration.flag: "false",
        configuration.text: "x",
        configuration.path: "/x",
        configuration.trusted: "10.0.0.0/8",
        configuration.paths: "/x",
    }
    for option in configuration.OPTIONS:
        sample = samples.get(option.read, option.default or "40")
        value = option.read(sample)
        arguments = ["--no-" + option.name] if option.read is configuration.flag else ["--" + option.name, sample]
        assert read("", arguments)[option.name] == value
        assert read(f"{option.name} = {sample if sample in ('false', '40') else repr(sample)}")[option.name] == value
        variable = "WEBHAL_" + option.name.upper().replace("-", "_")
        assert read("", **{variable: sample})[option.name] == value


def test_flags_can_be_said_either_way(read):
    assert read("access-log = false", ["--access-log"])["access-log"] is True
    assert read("access-log = true", WEBHAL_ACCESS_LOG="off")["access-log"] is False


@pytest.mark.parametrize(
    ("table", "environment", "words"),
    [
        ("port = 65536", {}, "pyproject.toml: port: a port is a number from 0 to 65535, not 65536"),
        ("", {"WEBHAL_PORT": "x"}, "WEBHAL_PORT: a port is a number from 0 to 65535, not x"),
        ("connections = 0", {}, "pyproject.toml: connections: it is a whole number from 1 to 2147483647, not 0"),
        ("head = 1.5", {}, "pyproject.toml: head: it is a whole number from 1 to 2147483647, not 1.5"),
        ("head = 2147483648", {}, "pyproject.toml: head: it is a whole number from 1 to 2147483647, not 2147483648"),
        ("", {"WEBHAL_BODY": "9" * 5000}, f"WEBHAL_BODY: it is a whole number from 0 to {sys.maxsize}, not {'9' * 40}"),
        ("", {"WEBHAL_CLIENT_CA": ""}, "WEBHAL_CLIENT_CA: it is the path of a file, not ''"),
        ("cert = 'a.pem,'", {}, "pyproject.toml: cert: it is the path of a file, not ''"),
        ('uds = "a\\u0000b"', {}, "pyproject.toml: uds: it is the path of a file, not 'a\\x00b'"),
        ("access-log = 'perhaps'", {}, "pyproject.toml: access-log: it is true or false, not perhaps"),
        ("deadline-idle = 0", {}, "pyproject.toml: deadline-idle: it is a number of seconds, more than 0, not 0"),
        ("deadline-idle = nan", {}, "pyproject.toml: deadline-idle: it is a number of seconds, more than 0, not nan"),
        ("log-format = 'xml'", {}, "pyproject.toml: log-format: it is common or json, not xml"),
        ("prot = 80", {}, "pyproject.toml: webhal has no option prot; is it port?"),
        ("wholly_else = 80", {}, "pyproject.toml: webhal has no option wholly_else"),
    ],
)
def test_wrong_value_is_told_with_its_place(read, table, environment, words):
    with pytest.raises(ConfigurationError) as error:
        read(table, **environment)
    assert str(error.value) == words


@pytest.mark.parametrize("text", [b"[tool.webhal\n", b"\xff", b"[tool]\nwebhal = 1\n"])
def test_table_that_cannot_be_read(tmp_path, text):
    (tmp_path / "pyproject.toml").write_bytes(text)
    with pytest.raises(ConfigurationError, match="pyproject.toml"):
        configuration.find_table([tmp_path])


def test_table_beside_the_application_wins_over_the_working_directory_s(read, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    assert read("port = 1", folders=(inner, ""))["port"] == 1
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    assert read("port = 1", folders=(inner, ""))["port"] == 1
    (inner / "pyproject.toml").write_text("[tool.webhal]\nport = 2\n")
    assert read("port = 1\nhead = 1", folders=(inner, "")).sources["head"] == "default"


def test_file_that_a_table_names_is_relative_to_it(read, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.webhal]\naccess-log-file = 'log'\nerror-log-file = '/log'\n")
    settings = read(folders=(inner,))
    assert (settings["access-log-file"], settings["error-log-file"]) == (os.path.join("inner", "log"), "/log")
    assert read("", ["--access-log-file", "log"], folders=(inner,))["access-log-file"] == "log"


def test_options_win_over_the_limits_of_the_file_one_by_one(read):
    settings = read("head = 7\ndeadline-idle = 75\n")
    assert settings.limits({"head": 1, "body": 2}) == {"head": 7, "body": 2, "deadlines": {"idle": 75}}
    assert settings.limits({"deadlines": {"idle": 1, "rest": 2}})["deadlines"] == {"idle": 75, "rest": 2}
    by_order = settings.limits({"deadlines": (1, 2, 3, 4)})["deadlines"]
    assert by_order == {"start": 1, "rest": 2, "idle": 75, "write": 4}
    assert settings.limits({"deadlines": 5})["deadlines"] == 5  # which is refused as ever


def test_config_prints_what_holds_and_serves_nothing(start, tmp_path, monkeypatch):
    monkeypatch.setenv("WEBHAL_BODY", "5")
    (tmp_path / "pyproject.toml").write_text("[tool.webhal]\napp = 'app.py'\nhead = 100\nhost = '127.0.0.1'\n")
    (tmp_path / "app.py").write_text(FILE + "app.run(port=1, host='nowhere.invalid', body=9, deadlines={'rest': 2})\n")
    process = start.webhal("run", "--config", "--deadline-idle", "75", cwd=tmp_path)
    code, errors = process.end()
    lines = process.rest()
    assert (code, errors) == (0, "")
    sources = {line.split(" = ")[0]: line.split("# ")[-1].strip() for line in lines if " = " in line}
    assert sources["head"] == sources["host"] == "pyproject.toml"
    assert (sources["body"], sources["deadline-idle"]) == ("WEBHAL_BODY", "command line")
    assert (sources["port"], sources["deadline-rest"], sources["buffer"]) == ("app.run", "app.run", "default")
    table = tomllib.loads("".join(lines))["tool"]["webhal"]
    assert (table["port"], table["head"], table["body"], table["host"]) == (1, 100, 5, "127.0.0.1")
    assert (table["deadline-idle"], table["deadline-rest"], table["deadline-write"]) == (75, 2, 20)


def test_config_of_a_file_that_serves_nothing_by_itself(start, tmp_path):
    (tmp_path / "app.py").write_text(FILE)
    process = start.webhal("run", "app.py", "--config", cwd=tmp_path)
    assert process.end() == (0, "")
    assert any(line.startswith("port = 80 ") for line in process.rest())


def test_wrong_table_is_one_line(start, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.webhal]\napp = 'app.py'\nport = 'x'\n")
    (tmp_path / "app.py").write_text(FILE)
    process = start.webhal("run", cwd=tmp_path)
    assert process.end() == (2, "webhal: pyproject.toml: port: a port is a number from 0 to 65535, not x\n")
