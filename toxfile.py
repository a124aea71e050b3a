"""tox's plug-in of this project: an environment that needs a MicroPython that cannot be had is skipped.

It shows as SKIP in tox's own summary, with one line on how to install a MicroPython. Under CI it fails. So is, under
CI too, the one for a CircuitPython, where none is given: no package carries that.
"""

import os
import subprocess
import sys
from pathlib import Path

from tox.plugin import impl
from tox.tox_env.api import ToxEnv
from tox.tox_env.errors import Fail, Skip

BITS = {"micropython": "64", "micropython32": "32"}


@impl
def tox_before_run_commands(tox_env: ToxEnv) -> None:
    name = tox_env.conf.name or ""
    if name == "circuitpython" and not os.environ.get("WEBHAL_CIRCUITPYTHON"):
        raise Skip("WEBHAL_CIRCUITPYTHON does not name a CircuitPython executable, and no package carries one")
    unavailable: type[Exception] = Fail if os.environ.get("CI") else Skip
    if name == "micropython-newest" and not Path(tox_env.conf["env_bin_dir"], "micropython").exists():
        raise unavailable("the package that carries the newest MicroPython is for Linux on x86-64 only")
    if bits := BITS.get(name):
        tool = str(tox_env.core["tox_root"] / "tools/micropython.py")
        found = subprocess.run([sys.executable, tool, "--bits", bits], capture_output=True, text=True)
        if found.returncode:
            raise unavailable(found.stderr.strip())
