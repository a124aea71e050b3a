"""Find a real MicroPython, or obtain one: `python tools/micropython.py --bits 32` prints the path of an executable.

Looked for in this order: the environment variable WEBHAL_MICROPYTHON (64-bit words) or WEBHAL_MICROPYTHON32;
`micropython` on PATH, if its words are as wide as asked; what an earlier run obtained; at last, on Debian, the
package of Debian 13, which apt downloads into the user's cache. It is run from there through its own loader and
libraries, so that any Debian can run it; nothing is installed into the system, and root is not needed.

The i386 build has the 32-bit words of an ESP8266 or ESP32, hence their heap. Tests are not run here: see
run_core_tests.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST = (1, 25, 0)  # what the board ports and their limits were measured with
SUITE = "trixie"  # Debian 13, the first to have it
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

VARIABLE = {64: "WEBHAL_MICROPYTHON", 32: "WEBHAL_MICROPYTHON32"}
ARCHITECTURE = {64: "amd64", 32: "i386"}
BUILD = {64: "make -C ports/unix", 32: "make -C ports/unix MICROPY_FORCE_32BIT=1"}

RUN_TIMEOUT_S = 60  # answering a question takes milliseconds; the rest is for a machine under load
APT_TIMEOUT_S = 600  # the package list is 10 MB, the packages are 4 MB

Version = tuple[int, ...]


class Unavailable(Exception):
    """No MicroPython of the wanted kind; says why, in one line."""


def find(bits: int) -> Path:
    """The path of a MicroPython with words of `bits` (32 or 64); raises Unavailable."""
    if given := os.environ.get(VARIABLE[bits]):
        if not _fits(Path(given), bits):
            raise Unavailable(f"{VARIABLE[bits]}={given} does not name one")
        return Path(given)
    on_path = shutil.which("micropython")
    if on_path and _fits(Path(on_path), bits):
        return Path(on_path)
    return _cached(bits) or _obtain(bits)


def _kind(bits: int) -> str:
    return f"{bits}-bit MicroPython {OLDEST[0]}.{OLDEST[1]} or newer"


def _identify(executable: Path) -> tuple[Version, int] | None:
    """Version and word size of a MicroPython; None if it does not run or is something else."""
    question = (
        "import sys; print(sys.implementation.name, 64 if sys.maxsize >> 31 else 32, *sys.implementation.version[:3])"
    )
    try:
        answer = _run([str(executable), "-c", question], RUN_TIMEOUT_S).split()
        name, bits, *version = answer
        return (tuple(map(int, version)), int(bits)) if name == "micropython" else None
    except (Unavailable, ValueError):
        return None


def _fits(executable: Path, bits: int) -> bool:
    found = _identify(executable)
    return found is not None and found[0] >= OLDEST and found[1] == bits


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webhal" / "micropython"


def _cached(bits: int) -> Path | None:
    """What an earlier run obtained, if it still runs and is of the version that its folder is named for."""
    for executable in _cache().glob(f"*/{ARCHITECTURE[bits]}/micropython"):
        found = _identify(executable)
        if found and found[0] >= OLDEST and found[1] == bits and _name(found[0]) == executable.parents[1].name:
            return executable
    return None


def _name(version: Version) -> str:
    return ".".join(map(str, version))


def _obtain(bits: int) -> Path:
    """Download and unpack Debian's package, unless another process does it first."""
    architecture = ARCHITECTURE[bits]
    mirror = _debian_mirror(architecture)
    cache = _cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{architecture}.lock"):
            if cached := _cached(bits):
                return cached
            with tempfile.TemporaryDirectory(dir=cache) as work:
                root = Path(work, "root")
                for package in _download(mirror, architecture, Path(work)):
                    _run(["dpkg-deb", "--extract", str(package), str(root)], APT_TIMEOUT_S)
                return _install(root, bits)
    except OSError as error:
        raise Unavailable(f"cannot write {cache}: {error.strerror}") from error


def _install(root: Path, bits: int) -> Path:
    """Move the unpacked tree to its place in the cache and write the executable that starts it."""
    found = _identify(_launcher(root))
    if not found or found[0] < OLDEST or found[1] != bits:
        raise Unavailable(f"the micropython of Debian {SUITE} does not run here")
    home = _cache() / _name(found[0]) / ARCHITECTURE[bits]
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    # The executable last, and by renaming: whoever sees it sees all of it and the tree that it needs.
    return _launcher(root.rename(home / "root")).rename(home / "micropython")


def _launcher(root: Path) -> Path:
    """Write an executable that runs the tree's micropython with the tree's own loader and libraries."""
    loader = next(root.glob("usr/lib/*/ld-linux*.so.2"))
    path = root / "launcher"
    command = [str(loader), "--library-path", str(loader.parent), str(root / "usr/bin/micropython")]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # not on Windows, where nothing comes this far

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _debian_mirror(architecture: str) -> str:
    """The mirror that this machine's apt already uses; raises Unavailable where there is none."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb") or not KEYRING.exists():
        raise Unavailable("none is installed, and this is not Debian")
    if _run(["dpkg", "--print-architecture"], RUN_TIMEOUT_S).strip() not in ("amd64", architecture):
        raise Unavailable(f"none is installed, and this machine does not run {architecture}")
    # Without release info: it is asked for on machines that have never run `apt-get update`.
    targets = _run(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
        RUN_TIMEOUT_S,
    )
    own = platform.freedesktop_os_release().get("VERSION_CODENAME")
    suites = {own, "oldstable", "stable", "testing", "unstable", "sid"}
    for line in targets.splitlines():
        mirror, release, component = line.split()
        if release in suites and component == "main":
            return mirror
    raise Unavailable("none is installed, and apt has no Debian mirror")


def _download(mirror: str, architecture: str, work: Path) -> list[Path]:
    """Have apt download micropython and all that it needs, verified by Debian's key, into `work`."""
    for folder in ("lists/partial", "archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [arch={architecture} signed-by={KEYRING}] {mirror} {SUITE} main\n")
    # Added to the machine's own configuration, which may name a proxy. The empty status file makes apt believe
    # that nothing is installed, so it downloads the C library too; hooks and pins are meant for the system.
    (work / "apt.conf").write_text(f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Dir::Etc::SourceList "{work}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{work}";
Dir::State::Lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::Cache "{work}";
Dir::Cache::Archives "{work}/archives";
""")
    apt = ["apt-get", "--config-file", str(work / "apt.conf"), "--quiet", "--yes"]
    _run([*apt, "update"], APT_TIMEOUT_S)
    _run([*apt, "install", "--download-only", "micropython"], APT_TIMEOUT_S)
    return sorted((work / "archives").glob("*.deb"))


def _run(command: list[str], timeout_s: int) -> str:
    """The output of a command; if it fails, Unavailable with the first line that it has to say about it."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} failed: {error}") from error
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        raise Unavailable(f"{command[0]} failed: {''.join(complaints[:1]) or done.returncode}")
    return done.stdout


def main() -> int:
    """Print the path, or one line on stderr that says how to come by a MicroPython."""
    parser = argparse.ArgumentParser(description="Print the path of a real MicroPython; on Debian, obtain it.")
    parser.add_argument("--bits", type=int, choices=(32, 64), default=64, help="its word size (default 64)")
    bits = parser.parse_args().bits
    try:
        print(find(bits))
    except Unavailable as error:
        print(
            f"no {_kind(bits)}: {error}; install one (64-bit: `brew install micropython` or Debian 13's package;"
            f" from MicroPython's source: `{BUILD[bits]}`) and name it in {VARIABLE[bits]}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
