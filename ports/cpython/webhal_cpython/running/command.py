"""The command `webhal run FILE[:name]`: finds out what is to be served and how, and runs that.

The file runs as under `python FILE`, but that runner.Runner is what serves where it calls App.run. A file that serves
nothing by itself has its `app` served when it has run.
"""

import argparse
import contextlib
import functools
import importlib.util
import io
import os
import signal
import sys
import threading
from pathlib import Path

import webhal.log
from webhal import App
from webhal_cpython import admission, listeners
from webhal_cpython.cli import complain
from webhal_cpython.loading import LoadError, Target, tell
from webhal_cpython.network import ListenError
from webhal_cpython.output import Output
from webhal_cpython.running import configuration, https, service
from webhal_cpython.running.logs import Logs
from webhal_cpython.running.runner import Runner, ended_by_signals


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="FILE[:name]",
        nargs="?",
        help="the file, or PACKAGE.MODULE, and the variable if it is not app, or create_app(), a function that makes"
        " it; by default what pyproject.toml here names",
    )
    parser.add_argument(
        "--config", action="store_true", help="print what holds and where it is from, and serve nothing"
    )
    configuration.add_options(parser)


def main(arguments: argparse.Namespace) -> int:
    try:
        target = Target(configuration.application() if arguments.target is None else arguments.target)
        settings = configuration.read(arguments, (target.folder, os.getcwd()))
    except (LoadError, configuration.ConfigurationError) as error:
        return complain(str(error), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whoever follows the output through a pipe reads whole lines
        sys.stdout.reconfigure(line_buffering=True)
    if arguments.config or listeners.supervisor:
        return start(settings, target, arguments.config)
    try:
        with service.pid_file(settings["pid"]) if settings["pid"] else contextlib.nullcontext():
            if settings["workers"] or settings["max-requests"] or settings["reload"]:
                return supervise(settings, target)
            return start(settings, target)
    except service.PidError as error:
        return complain(str(error))


def supervise(settings: configuration.Settings, target: Target) -> int:
    """Serve by other processes, which do as this one was told; returns the exit code."""
    if os.name != "posix":
        return complain("--workers, --max-requests and --reload are for systems with POSIX's processes", 2)
    from webhal_cpython.running import supervisor

    folder = None
    if settings["reload"]:
        if not importlib.util.find_spec("watchfiles"):
            return complain("watchfiles is missing: pip install 'webhal[reload]'")
        folder = Path(target.folder)
    try:
        return supervisor.supervise([sys.executable, *sys.orig_argv[1:]], settings["workers"] or 1, folder)
    except OSError as error:
        return complain(f"cannot watch {folder}: {error}")


def start(settings: configuration.Settings, target: Target, show: bool = False) -> int:
    """Serve by this process, or `show` what holds; returns the exit code."""
    output = Output(sys.stdout)
    try:
        logs = Logs(settings, output, Output(sys.stderr))
    except OSError as error:
        return complain(f"cannot write to {error.filename}: {error.strerror}")
    run = Runner(settings, logs, output, target.name)
    run.show = show
    if logs.files:
        run.renewed.append(logs.reopen)
    preparations: list[admission.Preparation] = []
    if settings["proxy-protocol"]:
        preparations.append(run.proxies.receive_header)
    try:
        certificates = https.certificates(settings)
    except configuration.ConfigurationError as error:
        return complain(str(error), 2)
    if certificates:
        from webhal_cpython import tls

        run.network = functools.partial(tls.Network, certificates, *preparations)
        run.renewed.append(functools.partial(https.renew, certificates))
    elif preparations:
        run.network = functools.partial(admission.Network, *preparations)
    return serve(run, target)


def serve(run: Runner, target: Target) -> int:
    """Run the file, and serve what it has; returns the exit code."""
    threading.excepthook = run.uncaught
    webhal.log.report = run.logs.report
    if hasattr(signal, "SIGHUP"):
        if run.renewed or listeners.supervisor:
            signal.signal(signal.SIGHUP, run.renew)
            signal.signal(signal.SIGUSR1, run.renew)
        elif signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not under nohup
            signal.signal(signal.SIGHUP, run.hang_up)
    # A lambda, because only a function becomes a method.
    App.run = lambda *values, **settings: run(*values, **settings)  # type: ignore[method-assign]
    try:
        module = target.execute()
        run.wait_for_threads(target.place)
        if not run.called.is_set():
            app = target.app(module)
            run.name = ""
            app.run()
        with ended_by_signals(run.stop):
            run.join()
    except KeyboardInterrupt:  # it reached the file, so no server runs in this thread
        serves = bool(run.servers)
        run.stop()
        if not serves:
            return 128 + signal.SIGINT
        run.join()
    except LoadError as error:
        return complain(str(error), error.code)
    except ListenError as error:
        return complain(error.strerror)
    except Exception as error:
        return tell(error, target.path or target.place)
    return complain(run.failure) if run.failure else run.code
