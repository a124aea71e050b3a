"""tools/micropython.py: what it takes for a MicroPython, in which order, and what it says where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/micropython.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


def executable(path, answer, status=0):
    """A stand-in that answers whatever it is asked; its identity is `answer`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def run(tmp_path):
    """Runs the tool with nothing on PATH but tmp_path/bin, and with a cache of its own."""

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, TOOL, *arguments],
            env={"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


def refused(done):
    """What the tool says, which is one line."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    return done.stderr


@pytest.mark.parametrize(("bits", "variable"), [("64", "WEBHAL_MICROPYTHON"), ("32", "WEBHAL_MICROPYTHON32")])
def test_environment_variable_wins_over_path_and_cache(run, tmp_path, bits, variable):
    executable(tmp_path / "bin/micropython", f"micropython {bits} 1 26 0")
    executable(tmp_path / "cache/webhal/micropython/1.26.0/amd64/micropython", "micropython 64 1 26 0")
    given = executable(tmp_path / "given", f"micropython {bits} 1 25 0")
    assert run("--bits", bits, **{variable: str(given)}).stdout == f"{given}\n"


@pytest.mark.parametrize(
    "answer",
    ["micropython 32 1 26 0", "micropython 64 1 24 1", "cpython 64 3 13 0", "", "micropython 64 one two"],
    ids=["word size", "too old", "cpython", "silent", "nonsense"],
)
def test_wrong_executable_in_the_variable_is_refused_though_path_has_a_right_one(run, tmp_path, answer):
    executable(tmp_path / "bin/micropython", "micropython 64 1 26 0")
    given = executable(tmp_path / "given", answer)
    assert f"WEBHAL_MICROPYTHON={given} does not name one;" in refused(run(WEBHAL_MICROPYTHON=str(given)))


def test_executable_that_fails_or_is_missing_is_refused(run, tmp_path):
    given = executable(tmp_path / "given", "micropython 64 1 26 0", status=1)
    refused(run(WEBHAL_MICROPYTHON=str(given)))
    refused(run(WEBHAL_MICROPYTHON=str(tmp_path / "missing")))


def test_path_is_taken_if_its_words_are_as_wide_as_asked(run, tmp_path):
    found = executable(tmp_path / "bin/micropython", "micropython 32 1 26 0")
    assert run("--bits", "32").stdout == f"{found}\n"
    refused(run("--bits", "64"))


def test_cache_is_taken_if_it_is_what_its_folder_says(run, tmp_path):
    cache = tmp_path / "cache/webhal/micropython"
    executable(cache / "1.25.0/amd64/micropython", "micropython 64 1 26 0")
    executable(cache / "1.24.0/amd64/micropython", "micropython 64 1 24 0")
    executable(cache / "1.27.0/amd64/micropython", "Segmentation fault", status=139)
    executable(cache / "1.28.0/i386/micropython", "micropython 32 1 28 0")
    refused(run())
    right = executable(cache / "1.26.0/amd64/micropython", "micropython 64 1 26 0")
    assert run().stdout == f"{right}\n"


@pytest.mark.parametrize(
    ("bits", "hints"),
    [("64", ["WEBHAL_MICROPYTHON", "brew"]), ("32", ["WEBHAL_MICROPYTHON32", "MICROPY_FORCE_32BIT"])],
)
def test_where_there_is_no_apt_one_line_says_what_to_do(run, bits, hints):
    line = refused(run("--bits", bits))
    assert "not Debian" in line
    assert all(hint in line for hint in hints)


@pytest.mark.skipif(
    not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(), reason="the way to apt begins on Debian only"
)
def test_where_apt_fails_one_line_says_why(run, tmp_path):
    executable(tmp_path / "bin/dpkg", "amd64")
    executable(tmp_path / "bin/dpkg-deb", "")
    apt = executable(tmp_path / "bin/apt-get", "")
    apt.write_text(
        '#!/bin/sh\ncase "$*" in\nindextargets*) echo "http://mirror.example/debian stable main";;\n'
        "*) echo 'W: first' >&2; echo 'E: no network' >&2; echo 'E: no luck' >&2; exit 100;;\nesac\n"
    )
    line = refused(run())
    assert "E: no network;" in line
    assert list((tmp_path / "cache/webhal/micropython").glob("*")) == [
        tmp_path / "cache/webhal/micropython/amd64.lock"
    ]
