"""Check the types of ports/micropython against the stubs of the boards: `python tools/lint_stubs.py FOLDER`.

FOLDER keeps the stubs, which pip puts there the first time. They replace typeshed, so each board takes a run of mypy of
its own. The CircuitPython port needs no run: its stubs are packages beside mypy, which finds them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUBS = ("micropython-esp32-stubs==1.29.0.post1", "micropython-esp8266-stubs==1.29.0.post1")

CONFIGURATION = """[mypy]
strict = true
warn_unused_ignores = false
explicit_package_bases = true
follow_imports = silent
mypy_path = {stubs}:{root}/core:{root}/ports/micropython
custom_typeshed_dir = {stubs}
cache_dir = {stubs}/.mypy_cache
"""

# False alarms: what is in the message, and why it is none.
FALSE_ALARMS = {
    "_Ticks": "the stubs give ticks types of their own; they are integers, which the network interface passes on",
    "does not accept self argument": "a built-in function that is an attribute of a class is no method of it there",
    '"inet_ntop"': "called on the unix port only",
}


def install(requirement: str, folder: Path) -> Path:
    """The folder with the stubs."""
    target = folder / requirement
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), requirement]
        subprocess.run(command, check=True)
    return target


def alarms(stubs: Path) -> list[str]:
    """mypy's errors with these stubs."""
    configuration = stubs / "mypy.ini"
    configuration.write_text(CONFIGURATION.format(stubs=stubs, root=ROOT))
    command = [sys.executable, "-m", "mypy", "--config-file", str(configuration), "ports/micropython"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode > 1:
        return [done.stdout + done.stderr]
    # Not those in the stubs themselves.
    return [line for line in done.stdout.splitlines() if re.match(r"ports/.*: error: ", line)]


def main() -> int:
    """The exit status: 0 if all alarms are false, and every kind of false alarm still occurs."""
    folder = Path(sys.argv[1]).resolve()
    unseen = set(FALSE_ALARMS)
    failed = False
    for requirement in STUBS:
        for alarm in alarms(install(requirement, folder)):
            known = [part for part in FALSE_ALARMS if part in alarm]
            unseen.difference_update(known)
            if not known:
                failed = True
                print(f"{alarm}  [{requirement}]")
    for part in sorted(unseen):
        failed = True
        print(f"tools/lint_stubs.py: the false alarm {part!r} does not occur any more; leave it out")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
