"""ports/template: stubs of all that the network interface requires, in the order of docs/porting.md."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from webhal import net

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "ports/template"
OPTIONAL = {"unix_time", "fileno", "sendfile"}


@pytest.fixture(scope="module")
def template():
    spec = importlib.util.spec_from_file_location("template", TEMPLATE / "webhal_template/network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def methods(network):
    return {name: method for name, method in vars(network).items() if inspect.isfunction(method) and name[0] != "_"}


def test_it_has_what_the_interface_requires_and_no_more(template):
    assert set(methods(template.Network)) == set(methods(net.Network)) - OPTIONAL


def test_arguments_are_those_of_the_interface(template):
    for name, method in methods(template.Network).items():
        wanted = inspect.signature(getattr(net.Network, name)).parameters
        assert list(inspect.signature(method).parameters) == list(wanted), name


def test_its_steps_are_those_of_the_guide():
    steps = dict(re.findall(r"^## (\d+)\. (.*)$", (ROOT / "docs/porting.md").read_text(), re.MULTILINE))
    template = (TEMPLATE / "webhal_template/network.py").read_text()
    named = re.findall(r"# -- step (\d+): (.*?) -+$", template, re.MULTILINE)
    assert len(named) == 9
    for number, title in named:
        assert title.lower().split()[-1] in steps[number].lower(), (number, title)


def test_the_kit_says_what_is_to_be_done():
    done = subprocess.run([sys.executable, TEMPLATE / "check.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    lines = done.stdout.splitlines()
    assert len(lines) > 30 and not [line for line in lines[:-1] if line.startswith("ok")]
    assert re.match(r"0 promises kept, \d+ broken", lines[-1])
