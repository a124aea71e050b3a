"""`webhal deploy FILE`: the command, from its arguments to the board that serves."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from webhal_cpython.assets import static_folders
from webhal_cpython.cli import complain
from webhal_cpython.compiling import MPY_VERSION
from webhal_cpython.deploying import (
    DeployError,
    asking,
    console,
    fileset,
    finding,
    library,
    memory,
    plan,
    project,
    rom,
    settings,
    verify,
    watching,
)
from webhal_cpython.deploying.board import PORT_TAKEN, Board, Show, held, judge
from webhal_cpython.deploying.progress import Progress
from webhal_cpython.deploying.together import each


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="the application; by default what pyproject.toml here names"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--to", metavar="TARGET", help="a serial port, socket://HOST:PORT, a drive's folder, or http://BOARD"
    )
    where.add_argument("--all", action="store_true", help="every board found, at the same time")
    parser.add_argument(
        "--with",
        dest="assets",
        metavar="DIR_OR_FILE",
        action="append",
        type=Path,
        help="send this too; may be given several times; by default what pyproject.toml beside FILE names",
    )
    parser.add_argument("--wifi-ssid", metavar="NAME", help="the network to join; its password is asked for")
    parser.add_argument(
        "--wifi-password", metavar="PASSWORD", help="of that network; other users of this computer may see it here"
    )
    parser.add_argument(
        "--password", metavar="PASSWORD", help="of the web workflow; by default that in settings.toml beside FILE"
    )
    parser.add_argument(
        "--console", metavar="PORT", help="serial port of the board whose drive is the TARGET, if it is not found"
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--full", dest="extent", action="store_const", const="full", help="send all of webhal")
    extent.add_argument(
        "--minimal", dest="extent", action="store_const", const="minimal", help="only what the text shows to be used"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--source", action="store_true", help="send .py, not .mpy")
    kind.add_argument(
        "--rom", action="store_true", help="put all into the board's ROM partition, the application and assets too"
    )
    parser.add_argument(
        "--watch", action="store_true", help="deploy again at each save, and show what the board says in between"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not wait for the board to serve")
    parser.add_argument(
        "--keep", action="store_true", help="leave an application that does not come up, not bring the old one back"
    )
    parser.add_argument("--port", type=_port, help="on which the application listens, where the board cannot tell")
    parser.add_argument("--probe", metavar="PATH", default="/", help="fetch this to see whether it serves (default /)")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text}")
    return int(text)


@dataclass
class _Wish:
    """What is to be deployed, and how."""

    application: fileset.Application
    arguments: argparse.Namespace
    own_settings: dict[str, str]  # as they are written
    asked: bool = False  # for the WiFi to join
    cancelled: bool = False
    rejoin: bool = True  # before it proves itself
    show: Show = lambda said: None
    boards: list[Board] = field(default_factory=list)  # in use

    def cancel(self) -> None:
        self.cancelled = True
        for board in list(self.boards):
            board.cancel()


def main(arguments: argparse.Namespace) -> int:
    progress = Progress(arguments.all)
    try:
        project.complete(arguments)
        targets = _targets(arguments)
        if arguments.watch:
            return _watch(targets, arguments, progress)
        wish = _wish(arguments, progress)
    except DeployError as error:
        return complain_about(error)
    try:
        outcomes = each(lambda target: _deploy(target, wish, progress), targets, wish.cancel)
    finally:
        progress.close()
    failures = [outcome for outcome in outcomes if outcome]
    for failure in failures:
        complain_about(failure, arguments.file.parent)
    if arguments.all:
        print(f"{len(targets) - len(failures)} of {len(targets)} boards done")
    return 1 if failures else 0


def _wish(arguments: argparse.Namespace, progress: Progress) -> _Wish:
    return _Wish(fileset.read_application(arguments.file), arguments, _own_settings(arguments, progress))


def _watch(targets: list[str], arguments: argparse.Namespace, progress: Progress) -> int:
    """Deploy at each save, until Ctrl-C."""
    if len(targets) != 1:
        raise DeployError("--watch is for one board: choose it with --to")
    saves = watching.Saves(arguments.file.parent, arguments.assets)
    rejoin = True
    try:
        while True:
            try:
                wish = _wish(arguments, progress)
                wish.rejoin = rejoin
                saves.static = static_folders(wish.application.trees.values())
                wish.show = lambda said: watching.show(said, arguments.file.parent)
                board = _open(targets[0], wish)
                with held(board):
                    try:
                        _deploy_to(board, wish, progress)
                        rejoin = False  # only changed settings may prove wrong
                    except DeployError as error:
                        rejoin = True
                        complain_about(error, arguments.file.parent)
                    board.go_on()
                    saves.wait(board.hear)
            except DeployError as error:
                complain_about(error)
                saves.wait(lambda seconds: b"")
    except KeyboardInterrupt:
        return 0
    finally:
        progress.close()


def complain_about(error: DeployError, folder: Path = Path()) -> int:
    """The first line says what went wrong, the rest is the checker's, or a board's, of an application in `folder`."""
    for line in console.with_places(str(error), folder).split("\n"):
        code = complain(line)
    return code


def _targets(arguments: argparse.Namespace) -> list[str]:
    if arguments.to:
        return [arguments.to]
    found = finding.targets()
    if not found:
        raise DeployError("no board found; plug one in, or name it with --to (`webhal devices` lists what is there)")
    if len(found) > 1 and not arguments.all:
        raise DeployError(f"{len(found)} boards found; choose with --to, or take --all: {' '.join(found)}")
    return found


def _own_settings(arguments: argparse.Namespace, progress: Progress) -> dict[str, str]:
    """Of settings.toml beside the application, and of the arguments, which are not written there."""
    text, exposed = settings.read_own(arguments.file.parent)
    if exposed and arguments.dry_run:
        progress.say("", "settings.toml is readable by others; deploying makes it yours alone")
    elif exposed:
        settings.hide_own(arguments.file.parent)
        progress.say("", "settings.toml was readable by others; now it is yours alone")
    own = settings.parse(text)
    if arguments.wifi_ssid is not None:
        if arguments.wifi_password is None:
            arguments.wifi_password = asking.password(arguments.wifi_ssid)
        own.update(_wifi(arguments.wifi_ssid, arguments.wifi_password))
    elif arguments.wifi_password is not None:
        raise DeployError("--wifi-password needs --wifi-ssid")
    return own


def _wifi(name: str, password: str) -> dict[str, str]:
    return {settings.SSID: settings.quote(name), settings.PASSWORD: settings.quote(password)}


_asking = threading.Lock()


def _ask_for_wifi(wish: _Wish) -> None:
    """Ask once for the network to join, where somebody can answer, and keep the answer beside the application."""
    with _asking:
        if wish.asked or wish.arguments.dry_run or not asking.can_answer():
            return
        wish.asked = True
        name = asking.wifi()
        if name:
            wish.own_settings.update(_wifi(name, asking.password(name)))
            folder = wish.arguments.file.parent
            settings.write_own(folder, settings.merge(settings.read_own(folder)[0], wish.own_settings))


def _deploy(target: str, wish: _Wish, progress: Progress) -> DeployError | None:
    """Deploy to one board; the error, if one ended it."""
    try:
        board = _open(target, wish)
        with held(board):
            wish.boards.append(board)
            if not wish.cancelled:
                _deploy_to(board, wish, progress)
    except DeployError as error:
        text = str(error)
        return error if text.startswith(target) else DeployError(f"{target}: {text}")
    return None


def _open(target: str, wish: _Wish) -> Board:
    password = wish.arguments.password
    if password is None:
        password = settings.value(wish.own_settings.get("CIRCUITPY_WEB_API_PASSWORD", '""')) or None
    return finding.open_board(target, password, wish.arguments.console)


def _deploy_to(board: Board, wish: _Wish, progress: Progress) -> None:
    arguments = wish.arguments

    def say(text: str) -> None:
        progress.say(board.target, text)

    say(f"{board.facts}" if progress.many else f"{board.target}: {board.facts}")
    judge(board.facts)
    if board.facts.runtime == "micropython" and not (board.facts.takes_mpy or arguments.source):
        say(f"it loads no .mpy of version {MPY_VERSION}, so .py is sent, which takes more of its memory")
    fileset.check(wish.application, board.facts)
    if arguments.port and board.own_port == arguments.port:
        raise DeployError(PORT_TAKEN % board.own_port)
    if arguments.wifi_ssid is not None and board.own_port:
        raise DeployError("a board's WiFi is not changed by way of that WiFi: use its drive, or its serial console")
    _expect_modules(board, wish.application)
    if not arguments.dry_run:
        board.complete()
    wanted, share = _collect(board, wish, say)
    todo = _plan(board, board.placed(wanted), share, wish)
    if board.facts.flash is not None and todo.flash(board.facts.block) > board.facts.flash:
        raise DeployError(
            f"its flash has {board.facts.flash // 1024} KB free, and {todo.flash(board.facts.block) // 1024} KB are"
            " needed: remove files from it, or deploy with --minimal"
        )
    if arguments.dry_run:
        _announce(todo, say, {*todo.send}, "would be ")
        return
    undo = board.remember(todo) if arguments.verify and not arguments.keep else None
    with progress.sending(board.target, todo.size) as advance:
        sent = board.apply(todo, advance)
    _announce(todo, say, sent)
    wish.rejoin = wish.rejoin or settings.NAME in todo.send
    try:
        _start(board, wish, say)
    except DeployError as error:
        if undo is None:
            raise
        raise _brought_back(board, undo, wish, error) from error


def _expect_modules(board: Board, application: fileset.Application) -> None:
    """Raise DeployError for what the application imports that is neither sent nor there: before anything is sent."""
    needs = application.needs()
    if lines := [f"{needs[name]}: the board has no module {name}" for name in sorted(board.missing(needs))]:
        raise DeployError("\n".join([f"{application.path} does not run on this board:", *lines]))


def _start(board: Board, wish: _Wish, say: Callable[[str], None]) -> None:
    """Start what is deployed, and see that it serves. Raises DeployError."""
    arguments = wish.arguments
    board.start(wish.rejoin)  # a radio that has joined already would prove nothing of changed settings
    if arguments.verify:
        where = verify.url(*board.address(arguments.port, wish.show), arguments.probe)
        try:
            say(f"{where} answers: {verify.probe(where, board)}")
        except verify.OutOfMemory as error:
            raise DeployError(
                "\n".join([str(error), *memory.explain(wish.application, arguments.assets, board.facts)])
            ) from error


def _brought_back(board: Board, undo: Callable[[], object], wish: _Wish, error: DeployError) -> DeployError:
    """Put the old application in the place of one that does not come up; what to say of both."""
    proof: list[str] = []
    try:
        undo()
        _start(board, wish, proof.append)
    except DeployError as second:
        return DeployError(f"{error}\nthe old application, put back, does not come up either: {second}")
    return DeployError(f"{error}\nthe old application is back: {proof[0]} (--keep would leave the new one)")


def _collect(board: Board, wish: _Wish, say: Callable[[str], None]) -> tuple[dict[str, bytes], rom.Share | None]:
    """The files that the board's file system shall have, and what is to be in ROM."""
    arguments = wish.arguments

    def collect(extent: str) -> dict[str, bytes]:
        return fileset.collect(wish.application, board.facts, board.main, arguments.assets, extent, arguments.source)

    if board.rom and board.facts.takes_mpy and not arguments.source:
        files = collect(arguments.extent or "full")  # so that another application needs no other image
        divided = rom.divide(board, board.rom, files, wish.application.sources[""], arguments.rom, say)
        if divided:
            return divided
    elif arguments.rom:
        raise DeployError("it has no ROM partition for bytecode (docs/deploying.md says which firmware has one)")
    elif board.facts.chip == "esp8266" and not board.rom:
        say(f"no ROM partition, from which webhal would run in half the memory: {rom.FIRMWARE['esp8266']}")
    return collect(arguments.extent or ""), None


def _plan(board: Board, wanted: dict[str, bytes], share: rom.Share | None, wish: _Wish) -> plan.Plan:
    recorded = plan.read_record(board.read(plan.RECORD))
    interest = [*wanted, *share.modules(), *share.content.hiding] if share else wanted
    actual = board.hashes(plan.of_interest(interest, recorded))
    before = (board.read(settings.NAME) or b"").decode("utf-8", "replace")
    if not {settings.SSID, settings.AP_SSID} & {*settings.parse(before), *wish.own_settings}:
        _ask_for_wifi(wish)
    own = wish.own_settings
    if board.facts.runtime == "micropython":  # others, of CircuitPython's firmware, are nothing to it but secrets
        known = library.micropython_settings()
        own = {name: written for name, written in own.items() if name in known}
    if board.own_port:  # it is reached by its WiFi, which a wrong line here would end for good
        own = {name: written for name, written in own.items() if name not in (settings.SSID, settings.PASSWORD)}
    after = settings.merge(before, own)
    return plan.make(wanted, board.main, actual, recorded, after.encode() if after != before else None, share)


def _announce(todo: plan.Plan, say: Callable[[str], None], sent: set[str], verb: str = "") -> None:
    """Say what was done, or `verb` what would be."""
    for path in todo.keep:
        say(f"{path} on the board is not webhal's: {verb}kept as {todo.keep[path]}")
    for path in todo.left:
        say(f"{path} on the board was changed there: it stays, though it is not needed")
    if verb:
        for path, data in todo.send.items():
            say(f"would send {path} ({len(data)} bytes)")
    for path in todo.remove:
        if verb or not path.startswith(fileset.LIBRARY):
            say(f"would remove {path}" if verb else f"removed {path}")
    if todo.image:
        say(f"{verb}written to the ROM partition: {len(todo.image)} bytes")
    elif not todo.send and not todo.remove:
        say("nothing to send: the board has it all")
        return
    size = sum(len(todo.send[path]) for path in sent)
    say(
        f"{verb}sent: {len(sent)} file{'s' * (len(sent) != 1)}, {size} bytes"
        + (f"; {verb}removed: {len(todo.remove)}" if todo.remove else "")
    )
