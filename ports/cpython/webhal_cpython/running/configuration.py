"""What `webhal run` can be told: one table of options, and who tells their values.

The command line wins over variables of the environment (WEBHAL_PORT), these over [tool.webhal] of pyproject.toml, this
over what the file itself gives to App.run, and that over webhal's own defaults. What an option does is done where it is
used.
"""

import argparse
import copy
import difflib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from webhal_cpython import project
from webhal_cpython.proxies import TRUSTED, TrustedProxies
from webhal_cpython.running.logs import FORMATS, LEVELS

_OF_DEPLOYING = ("app", "with")  # keys of the same table; `webhal run` without FILE serves `app`, too


class ConfigurationError(Exception):
    """An option has a value that it cannot have, or is none; the words say where."""


def text(value: str) -> str:
    return value


def path(value: str) -> str:
    """Of a file; one in pyproject.toml is relative to that."""
    if not value or "\0" in value:  # "$CA", where there is no CA, must not leave out what it names the file of
        raise argparse.ArgumentTypeError(f"it is the path of a file, not {value!r}")
    return value


def paths(value: str) -> list[str]:
    """Of files, with commas between; the same."""
    return [path(each) for each in value.split(",")]


def flag(value: str) -> bool:
    if value.lower() not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise argparse.ArgumentTypeError(f"it is true or false, not {value}")
    return value.lower() in ("true", "1", "yes", "on")


def port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {value}")
    return int(value)


def one_of(*words: str) -> Callable[[str], str]:
    """What reads one of these words."""

    def read(value: str) -> str:
        if value not in words:
            raise argparse.ArgumentTypeError(f"it is {', '.join(words[:-1])} or {words[-1]}, not {value}")
        return value

    return read


def number(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """What reads a whole number from `least` to `most`, by default what the system's calls take."""

    def read(value: str) -> int:
        # Of more digits Python makes no number.
        if not (value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most):
            raise argparse.ArgumentTypeError(f"it is a whole number from {least} to {most}, not {value[:40]}")
        return int(value)

    return read


def seconds(value: str) -> float:
    try:
        result = float(value)
    except ValueError:
        result = 0
    if not 0 < result < float("inf"):
        raise argparse.ArgumentTypeError(f"it is a number of seconds, more than 0, not {value}")
    return result


def trusted(value: str) -> str:
    """Of proxies."""
    try:
        TrustedProxies(value.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


class Option(NamedTuple):
    name: str  # on the command line behind --; port is WEBHAL_PORT in the environment
    read: Callable[[str], Any]  # makes the value of a text; raises argparse.ArgumentTypeError
    help: str
    default: Any = None  # None: what the file says, or nothing


OPTIONS = (
    Option("host", text, 'listen on this address or name; "" is every address of this machine (default: 127.0.0.1)'),
    Option("port", port, "listen on this port; 0 is one that is free"),
    Option("proxy-headers", flag, "believe X-Forwarded-For, -Proto and -Host, or Forwarded, of --trusted", False),
    Option("proxy-protocol", flag, "expect a PROXY header, of version 1 or 2, from --trusted", False),
    Option("trusted", trusted, "addresses and networks of proxies, with commas between", ",".join(TRUSTED)),
    Option("cert", paths, "serve HTTPS with this certificate, in PEM; for several names several, with commas between"),
    Option("key", paths, "its key, if that is in another file, or theirs"),
    Option("key-password-file", path, "a file with the password of the key; or WEBHAL_KEY_PASSWORD is it"),
    Option("self-signed", flag, "serve HTTPS with a certificate for development", False),
    Option("client-ca", path, "ask clients for a certificate that one of this file has signed"),
    Option("client-cert", one_of("required", "optional"), "whether a client without one is served", "required"),
    Option("redirect-port", port, "send who comes to this port by plain HTTP to HTTPS"),
    Option("uds", path, "listen at this path, on a unix socket, instead"),
    Option("workers", number(1), "processes that serve, and one that sees to them"),
    Option("max-requests", number(1), "requests after which another process takes a worker's place"),
    Option("reload", flag, "serve anew when a Python file beside the application's is changed", False),
    Option("pid", path, "write the id of the process to be signalled into this file"),
    Option("debug", flag, "show clients on this machine the traceback where others get a plain 500", False),
    Option("access-log", flag, "log a line for each request", True),
    Option("access-log-file", path, "append these lines to a file, which SIGHUP and SIGUSR1 open anew"),
    Option("error-log-file", path, "the same for tracebacks and the like"),
    Option("log-format", one_of(*FORMATS), "common is the Common Log Format, json has an object a line", "common"),
    Option(
        "log-level",
        one_of(*LEVELS),
        "log what is at least so grave: debug, info, as requests are, warning, error, critical",
        "info",
    ),
    Option(
        "request-id",
        flag,
        "give each request an id, its X-Request-Id if it has a sane one, and tell it in the answer",
        False,
    ),
    Option("connections", number(1), "clients at a time; beyond that, the one that idles longest is closed"),
    Option("head", number(1), "most bytes of a request's line and fields"),
    Option("body", number(0, sys.maxsize), "most bytes of a body that is read whole"),
    Option("buffer", number(32), "bytes received at once"),
    Option("deadline-start", seconds, "seconds in which a client begins its first request"),
    Option("deadline-rest", seconds, "seconds in which it sends the rest of one"),
    Option("deadline-idle", seconds, "seconds in which it begins the next"),
    Option("deadline-write", seconds, "seconds in which it takes more of an answer"),
)
LIMITS = ("connections", "head", "body", "buffer")
DEADLINES = ("start", "rest", "idle", "write")


class Settings(dict[str, Any]):
    """The options' values by name: all are there, None is for the file to say. `sources` tells where each is from."""

    def __init__(self) -> None:
        super().__init__((option.name, option.default) for option in OPTIONS)
        self.sources = dict.fromkeys(self, "default")

    def put(self, name: str, value: object, source: str) -> None:
        self[name] = value
        self.sources[name] = source

    def limits(self, limits: Mapping[str, Any]) -> dict[str, Any]:
        """The limits that the file gives to App.run, and those that are set here."""
        result = {**limits, **{name: self[name] for name in LIMITS if self[name] is not None}}
        deadlines = {name: self[f"deadline-{name}"] for name in DEADLINES if self[f"deadline-{name}"] is not None}
        own = _by_name(result.get("deadlines", {}))
        if deadlines and isinstance(own, dict):  # else App.run refuses it
            result["deadlines"] = {**own, **deadlines}
        return result

    def completed(self, given: Mapping[str, Any], full: Mapping[str, Any]) -> "Settings":
        """The same, with what the file gives to App.run, and with all that holds else: limits, and the place."""
        result = copy.deepcopy(self)
        for values, source in ((given, "app.run"), (full, "default")):
            deadlines = _by_name(values.get("deadlines", {}))
            for name, value in {**values, **{f"deadline-{each}": deadlines[each] for each in deadlines}}.items():
                if name in self and value is not None and result[name] is None:
                    result.put(name, value, source)
        return result

    def told(self) -> Iterator[str]:
        """Lines that say what holds, and where it is from, in the form of [tool.webhal]."""
        yield "[tool.webhal]"
        for name, value in self.items():
            line = f"# {name}" if value is None else f"{name} = {_toml(value)}"
            yield f"{line:32}  # {self.sources[name]}"


def _by_name(deadlines: Any) -> Any:
    """Deadlines by name, where they are given in order."""
    whole = isinstance(deadlines, (tuple, list)) and len(deadlines) == len(DEADLINES)
    return dict(zip(DEADLINES, deadlines, strict=True)) if whole else deadlines


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line have the options; those that it does not name are not among its arguments."""
    for option in OPTIONS:
        words = option.help if option.default is None else f"{option.help} (default: {_toml(option.default)})"
        kind: dict[str, Any] = {"type": option.read}
        if option.read is flag:
            kind = {"action": argparse.BooleanOptionalAction}
        parser.add_argument(f"--{option.name}", default=argparse.SUPPRESS, help=words, **kind)


def read(arguments: argparse.Namespace, folders: Iterable[str]) -> Settings:
    """The settings, from the command line, the environment, and the first table [tool.webhal] in these folders.

    Raises ConfigurationError.
    """
    settings = Settings()
    table, file = find_table(folders)
    for option in OPTIONS:
        name = option.name
        identifier = name.replace("-", "_")
        variable = "WEBHAL_" + identifier.upper()
        if hasattr(arguments, identifier):
            settings.put(name, getattr(arguments, identifier), "command line")
        elif variable in os.environ:
            settings.put(name, _value(option, os.environ[variable], variable), variable)
        elif name in table:
            value = _value(option, table[name], f"{file}: {name}")
            if option.read is path:
                value = os.path.join(file.parent, value)
            elif option.read is paths:
                value = [os.path.join(file.parent, each) for each in value]
            settings.put(name, value, str(file))
    return settings


def _value(option: Option, given: object, place: str) -> Any:
    """The value that is given in the environment, or in TOML, where a list is what commas separate elsewhere."""
    try:
        return option.read(",".join(map(str, given)) if isinstance(given, list) else str(given))
    except argparse.ArgumentTypeError as error:
        raise ConfigurationError(f"{place}: {error}") from None


def application() -> str:
    """What [tool.webhal] of the working directory names. Raises ConfigurationError where it names nothing."""
    found = find_table([os.getcwd()])[0].get("app")
    if not isinstance(found, str):
        raise ConfigurationError(f'name the FILE, or write app = "app.py" under [tool.webhal] in {project.NAME}')
    return found


def find_table(folders: Iterable[str]) -> tuple[dict[str, Any], Path]:
    """The first table [tool.webhal] in these folders, empty if none has one, and its file.

    Raises ConfigurationError when it cannot be read, or has what is no option.
    """
    for folder in dict.fromkeys(folders):
        file = Path(os.path.join(folder, project.NAME).removeprefix(os.getcwd() + os.sep))
        try:
            table = project.table(file.parent)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        known = [option.name for option in OPTIONS]
        for key in table:
            if key not in known and key not in _OF_DEPLOYING:
                near = difflib.get_close_matches(key, known, 1)
                raise ConfigurationError(
                    f"{file}: webhal has no option {key}" + (f"; is it {near[0]}?" if near else "")
                )
        if table:
            return table, file
    return {}, Path(project.NAME)


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # escapes as TOML does
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value).lower()
