"""`webhal deploy` to simulated boards with a ROM partition: what lies there, and the power that goes meanwhile.

WEBHAL_INTERRUPTS=200 pytest tests/cpython/test_deploy_rom.py is the long run of interruptions.
"""

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from select import select

import pytest

from webhal.testing.boards import MicroPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying import finding, rom
from webhal_cpython.deploying.plan import NOTICE

if sys.platform != "linux":
    pytest.skip("a simulated board has a ROM partition on Linux only", allow_module_level=True)
serial = pytest.importorskip("serial")
pytest.importorskip("mpremote")
pytest.importorskip("pty")

APP = """\
from webhal import App
from greeting import text
import webhal
import greeting

app = App()

@app.get("/")
def page(request):
    with open("page.txt") as file:
        return "%s %%s %%s; webhal in %%s" %% (text(), file.read(), webhal.__path__)

@app.get("/fail")
def fail(request):
    raise ValueError("line 17")

if __name__ == "__main__":
    app.run()
"""
README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
WIFI = 'CIRCUITPY_WIFI_SSID = "home"\nCIRCUITPY_WIFI_PASSWORD = "secret"\n'
SIZE = 320 << 10  # of an ESP8266's partition
IN_ROM = "; webhal in /rom/lib/webhal"
OUTSIDE = "; webhal in /lib/webhal"


def write_project(folder, version):
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP % version)
    (folder / "greeting.py").write_text(f"def text():\n    return '{version}'\n")
    (folder / "page.txt").write_text(version)
    (folder / "settings.toml").touch(0o600)
    (folder / "settings.toml").write_text(WIFI)
    return folder


def answer(version, where=IN_ROM):
    return f"{version} {version} {version}{where}"


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "project", "one")


@pytest.fixture
def board(micropython):
    """board(…) is a board that has power until the test ends."""
    boards = []

    def board(chip="esp8266", folder=None, size=SIZE, **options):
        boards.append(MicroPythonBoard(chip, folder, micropython, rom=size, **options))
        boards[-1].start()
        return boards[-1]

    yield board
    for each in boards:
        each.stop()


@pytest.fixture
def deploy(capsys):
    """deploy(board, project, …) is (exit code, standard output, standard error)."""

    def deploy(there, project, *options):
        application, page = str(project / "app.py"), str(project / "page.txt")
        code = cli.main(["deploy", application, "--with", page, "--to", there.target, *options])
        return code, *capsys.readouterr()

    return deploy


def get(there, path="/"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(there.url + path, timeout=30) as response:
        return response.read().decode()


def page(there):
    """What the board answers once it is up."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return get(there)
        except OSError:
            assert time.monotonic() < give_up, "it serves nothing"
            time.sleep(0.02)


def files(there):
    return {str(path.relative_to(there.folder)) for path in there.folder.rglob("*") if path.is_file()}


def restart(there):
    there.unplug()
    there.unplug_after(None)
    there.start()


def says(there, words):
    """Whether the board prints this before anything asks it."""
    with open(there.target, "rb", buffering=0) as line:  # pyserial would throw away what was said already
        said = b""
        while words.encode() not in said and select([line], [], [], 30)[0]:
            said += line.read(1024)
    return words.encode() in said


# -- what lies where -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chip", ["esp8266", "esp32"])
def test_request_is_answered_from_code_in_rom(board, deploy, project, chip):
    there = board(chip)
    code, output, errors = deploy(there, project)
    assert (code, errors) == (0, "")
    assert "ROM partition of 320 KB" in output
    assert re.search(r"^written to the ROM partition: \d+ bytes$", output, re.MULTILINE)
    assert get(there) == answer("one")
    assert files(there) == {"main.py", "greeting.mpy", "page.txt", "settings.toml", "webhal.files"}
    before = there.rom_file.read_bytes(), there.rom_file.stat().st_mtime_ns
    assert "nothing to send" in deploy(there, project)[1]
    write_project(project, "two")
    assert re.search("^sent: 3 files,", deploy(there, project)[1], re.MULTILINE)
    assert get(there) == answer("two")
    assert (there.rom_file.read_bytes(), there.rom_file.stat().st_mtime_ns) == before


def test_with_rom_the_application_lies_there_too(board, deploy, project):
    there = board()
    assert deploy(there, project)[::2] == (0, "")
    for version in ("two", "three"):
        write_project(project, version)
        assert deploy(there, project, "--rom")[::2] == (0, "")
        assert get(there) == answer(version)
        assert files(there) == {"main.py", "settings.toml", "webhal.files"}
    assert "nothing to send" in deploy(there, project, "--rom")[1]
    with serial.serial_for_url(there.target, timeout=10) as line:
        with pytest.raises(urllib.error.HTTPError):
            get(there, "/fail")
        assert b'File "main.py", line 15, in fail' in line.read_until(b"in fail")
    assert deploy(there, project)[::2] == (0, "")
    assert get(there) == answer("three")
    assert "greeting.mpy" in files(there)


def test_source_goes_to_the_file_system_and_comes_back(board, deploy, project):
    there = board()
    for options, where in (((), IN_ROM), (("--source", "--minimal"), OUTSIDE), ((), IN_ROM)):
        assert deploy(there, project, *options)[::2] == (0, "")
        assert get(there) == answer("one", where)
    assert not (there.folder / "lib" / "webhal").exists()


def test_copies_of_webhal_that_would_be_found_first(board, deploy, project):
    there = board()
    (there.folder / "lib/webhal").mkdir(parents=True)
    (there.folder / "lib/webhal/older.py").write_text("")
    (there.folder / "lib/webhal_micropython").mkdir()
    assert deploy(there, project)[::2] == (0, "")
    assert get(there) == answer("one")
    (there.folder / "webhal").mkdir()
    (there.folder / "webhal/mine.py").write_text("")
    code, _, errors = deploy(there, project)
    assert code == 1 and "webhal/mine.py" in errors and "remove it" in errors


def test_image_of_somebody_else_stays(board, deploy, project):
    there = board()
    there.unplug()
    image = rom.build({"theirs.py": b"x = 1"}).replace(rom.RECORD.encode(), b"other.files.")
    there.rom_file.write_bytes(image + there.rom_file.read_bytes()[len(image) :])
    there.start()
    code, output, errors = deploy(there, project)
    assert (code, errors) == (0, "")
    assert "holds another image, which --rom would replace: webhal goes to the file system" in output
    assert there.rom_file.read_bytes().startswith(image)
    assert get(there) == answer("one", OUTSIDE)
    assert deploy(there, project, "--rom")[::2] == (0, "")
    assert get(there) == answer("one")


def test_partition_that_is_too_small(board, deploy, project):
    there = board(size=8192)
    code, output, errors = deploy(there, project)
    assert (code, errors) == (0, "")
    assert re.search(r"its ROM partition has 8 KB, and \d+ KB are needed: webhal goes to the file system", output)
    assert get(there) == answer("one", OUTSIDE)
    code, _, errors = deploy(there, project, "--rom")
    assert code == 1 and re.search(r"has 8 KB, and \d+ KB are needed$", errors)


def test_names_in_rom_are_ascii(board, deploy, project):
    (project / "größe.txt").write_text("")
    there = board()
    assert deploy(there, project, "--with", str(project / "größe.txt"))[::2] == (0, "")
    code, _, errors = deploy(there, project, "--with", str(project / "größe.txt"), "--rom")
    assert code == 1 and errors.endswith("größe.txt: a name in ROM is ASCII\n")
    assert page(there) == answer("one")


def test_application_is_main_in_rom_too():
    source = 'app = App(__name__)\nprint(f"{__name__}")\nif __name__ == "__main__": app.run()\n'
    compiled = source.replace("(__name__)", '("__main__")').replace("if __name__", 'if "__main__"')
    assert rom._as_main(source) == compiled


def test_esp8266_without_a_partition_is_told_of_the_firmware_that_has_one(board, deploy, project):
    there = board(size=0)
    code, output, errors = deploy(there, project)
    assert (code, errors) == (0, "")
    assert "ESP8266_GENERIC" in output and "FLASH_2M_ROMFS" in output
    code, _, errors = deploy(there, project, "--rom")
    assert code == 1 and "it has no ROM partition" in errors


def test_boot_that_imports_from_rom_is_refused(board, deploy, project):
    """Its code must not be written over while it is loaded."""
    there = board()
    assert deploy(there, project, "--minimal")[::2] == (0, "")
    (there.folder / "boot.py").write_text("import webhal\n")
    before = there.rom_file.read_bytes()
    code, _, errors = deploy(there, project)
    assert code == 1 and "boot.py imports webhal from the ROM partition" in errors
    assert there.rom_file.read_bytes() == before


def test_dry_run_leaves_the_partition_as_it_is(board, deploy, project):
    there = board()
    code, output, errors = deploy(there, project, "--rom", "--dry-run")
    assert (code, errors) == (0, "")
    assert re.search(r"^would be written to the ROM partition: \d+ bytes$", output, re.MULTILINE)
    assert there.rom_file.read_bytes() == b"\xff" * SIZE and not files(there)


def test_flash_that_does_not_keep_what_is_written(board, deploy, project, monkeypatch):
    there = board()
    real = rom.Partition._write_piece

    def write_piece(self, image, start, advance):
        real(self, image if start != 4096 else bytes(len(image)), start, advance)

    with monkeypatch.context() as patch:
        patch.setattr(rom.Partition, "_write_piece", write_piece)
        code, _, errors = deploy(there, project)
    assert code == 1 and "does not keep what is written" in errors
    assert there.rom_file.read_bytes().startswith(b"\xff" * rom._PIECE)
    assert deploy(there, project)[::2] == (0, "")
    assert get(there) == answer("one")


def test_devices_shows_the_partition(board, capsys, monkeypatch):
    monkeypatch.setattr(finding, "targets", lambda: [board().target, board("esp32", size=0).target])
    assert cli.main(["devices"]) == 0
    assert [("ROM partition of 320 KB" in line) for line in capsys.readouterr().out.splitlines()] == [True, False]


def test_three_commands_of_the_readme(micropython, tmp_path, monkeypatch, capsys, start):
    """From nothing to a page from a simulated ESP8266, which runs webhal from ROM."""
    monkeypatch.chdir(tmp_path)
    new, simulate, deploy = map(
        shlex.split, re.search(r"(?m)^((?:    .+\n)+)\nThe second command", README)[1].splitlines()
    )
    assert cli.main(new[1:]) == 0
    simulated = start(*simulate[1:-1], "--micropython", micropython)
    target = simulated.line("at (/dev/pts/.+)")[1]
    url = simulated.line("(http://.+) \\(")[1]
    assert cli.main([*deploy[1:-1], target]) == 0
    assert f"{url}/ answers: 200 OK" in capsys.readouterr().out


# -- back to the old application -------------------------------------------------------------------------------

LAYOUTS = {
    "file system": ("--source", "--minimal"),
    "minimal": ("--minimal",),
    "webhal in ROM": (),
    "all in ROM": ("--rom",),
}


@pytest.mark.parametrize(
    "old, new",
    [
        ("file system", "webhal in ROM"),
        ("webhal in ROM", "file system"),
        ("minimal", "all in ROM"),
        ("all in ROM", "all in ROM"),
    ],
)
def test_update_that_does_not_come_up_is_taken_back(board, deploy, project, old, new):
    there = board()
    assert deploy(there, project, *LAYOUTS[old])[::2] == (0, "")
    before = {path: (there.folder / path).read_bytes() for path in files(there)}
    image = there.rom_file.read_bytes()
    write_project(project, "two")
    (project / "app.py").write_text("import greeting\nraise ValueError('bad')\n")
    code, _, errors = deploy(there, project, *LAYOUTS[new])
    assert code == 1 and "ValueError: bad" in errors and "the old application is back: http" in errors
    assert get(there) == answer("one", OUTSIDE if old == "file system" else IN_ROM)
    assert {path: (there.folder / path).read_bytes() for path in files(there)} == before
    assert there.rom_file.read_bytes().startswith(image[: rom._size(image)])


# -- the power goes --------------------------------------------------------------------------------------------


def test_program_that_is_killed_while_it_writes(board, deploy, project):
    """The board keeps its power; after a reset it says what to do."""
    there = board()
    assert deploy(there, project, "--minimal")[::2] == (0, "")
    write_project(project, "two")
    arguments = ["deploy", project / "app.py", "--with", project / "page.txt", "--to", there.target]
    process = subprocess.Popen([sys.executable, "-m", "webhal_cpython", *arguments], stdout=subprocess.DEVNULL)
    while (there.folder / "main.py").read_bytes() != NOTICE:
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    restart(there)
    assert says(there, "deploying was interrupted; run `webhal deploy` once more")
    assert deploy(there, project)[::2] == (0, "")
    assert get(there) == answer("two")


@pytest.fixture(scope="module")
def first_versions(micropython, tmp_path_factory):
    """first_versions(layout): the flash of a board that runs the first version so; its ROM is beside it."""
    made = {}

    def first_version(layout):
        if layout not in made:
            folder = made[layout] = tmp_path_factory.mktemp("first") / "flash"
            project = write_project(tmp_path_factory.mktemp("project"), "one")
            with MicroPythonBoard("esp8266", folder, micropython, rom=SIZE) as there:
                arguments = [str(project / "app.py"), "--with", str(project / "page.txt"), "--to", there.target]
                assert cli.main(["deploy", *arguments, *LAYOUTS[layout]]) == 0
        return made[layout]

    return first_version


@pytest.fixture
def cut_off(first_versions, board, deploy, tmp_path):
    """cut_off(old, new, chip, cut): the power goes after so many bytes; then the command is repeated.

    In between there is the old application, the new one, or a main.py that says what to do; never anything else.
    """
    project = write_project(tmp_path / "project", "two")

    def cut_off(old, new, chip, cut):
        shutil.copytree(first_versions(old), tmp_path / "flash")
        shutil.copy(f"{first_versions(old)}.rom", tmp_path / "flash.rom")
        there = board(chip, tmp_path / "flash")
        before = page(there)
        there.unplug()
        there.unplug_after(cut)
        there.start()
        assert page(there) == before
        deploy(there, project, *LAYOUTS[new], "--no-verify")
        restart(there)
        case = f"{old} to {new} on {chip}, cut at {cut}"
        if (there.folder / "main.py").read_bytes() == NOTICE:
            assert says(there, "deploying was interrupted; run `webhal deploy` once more"), case
            with pytest.raises(OSError):
                get(there)
        else:
            assert re.fullmatch(f"{re.escape(before)}|two two two; webhal in /.*lib/webhal", page(there)), case
        assert deploy(there, project, *LAYOUTS[new])[::2] == (0, ""), case
        assert page(there) == answer("two", OUTSIDE if new == "file system" else IN_ROM), case
        assert not [path for path in files(there) if path.endswith((".new", ".todo", ".step", ".bak"))], case
        assert "nothing to send" in deploy(there, project, *LAYOUTS[new])[1], case

    return cut_off


@pytest.mark.parametrize("seed", range(int(os.environ.get("WEBHAL_INTERRUPTS", "2"))))
def test_power_that_goes_at_any_byte(cut_off, seed):
    choose = random.Random(seed)
    old, new = choose.sample(sorted(LAYOUTS), 2)
    cut_off(old, new, choose.choice(["esp8266", "esp32"]), int(60_000 * choose.random() ** choose.choice([1, 6])))


def test_power_that_goes_while_webhal_returns_to_the_file_system(cut_off):
    """A folder of webhal's there is found before the one in ROM, whatever it holds."""
    cut_off("webhal in ROM", "file system", "esp32", 20_000)


def test_power_that_goes_in_the_midst_of_an_images_beginning(board, deploy, project, monkeypatch):
    """Then it begins as an image does, and ends as one, but is none."""
    there = board()
    real = rom.Partition._write_piece

    def write_piece(self, image, start, advance):
        if start == 0:
            image = image[:100] + b"\xff" * (len(image) - 100)
        real(self, image, start, advance)
        if start == 0:
            there.unplug()

    with monkeypatch.context() as patch:
        patch.setattr(rom.Partition, "_write_piece", write_piece)
        assert "stopped answering" in deploy(there, project)[2]
    restart(there)
    assert deploy(there, project)[::2] == (0, "")
    assert get(there) == answer("one")
