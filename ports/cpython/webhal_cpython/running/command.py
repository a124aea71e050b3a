"""The command `webhal run FILE[:name]`: finds out what is to be served and how, and runs the file.

The file runs as under `python FILE`, but that runner.Runner is what serves where it calls App.run. A file that serves
nothing by itself has its `app` served when it has run.
"""

import argparse
import io
import os
import signal
import sys
import threading

import webhal.log
from webhal import App
from webhal_cpython.cli import complain
from webhal_cpython.loading import execute, tell
from webhal_cpython.network import ListenError
from webhal_cpython.running import configuration
from webhal_cpython.running.runner import Runner, ended_by_signals


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE[:name]",
        nargs="?",
        help="the file, and the variable if it is not app; by default what pyproject.toml here names",
    )
    parser.add_argument(
        "--config", action="store_true", help="print what holds and where it is from, and serve nothing"
    )
    configuration.add_options(parser)


def main(arguments: argparse.Namespace) -> int:
    try:
        file = arguments.file
        if file is None:
            file = configuration.application()
        path, _, name = file.rpartition(":")
        if not path or not name.isidentifier():  # no name, or C:\app.py
            path, name = file, ""
        if os.path.isdir(path):
            return complain(f"{path} is a directory, not an application file", 2)
        if not os.path.exists(path):
            return complain(f"there is no file {path or repr(path)}", 2)
        settings = configuration.read(arguments, (os.path.dirname(path), ""))
    except configuration.ConfigurationError as error:
        return complain(str(error), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whoever follows the output through a pipe reads whole lines
        sys.stdout.reconfigure(line_buffering=True)
    run = Runner(settings, name)
    run.show = arguments.config
    return serve(run, path)


def serve(run: Runner, path: str) -> int:
    """Run the file, and serve what it has; returns the exit code."""
    threading.excepthook = run.uncaught
    webhal.log.report = run.errors.report
    # A lambda, because only a function becomes a method.
    App.run = lambda *values, **settings: run(*values, **settings)  # type: ignore[method-assign]
    try:
        module = execute(path)
        run.wait_for_threads(path)
        if not run.called.is_set():
            app = getattr(module, run.name or "app", None)
            if not isinstance(app, App):
                return complain(f"{path} has no App called {run.name or 'app'}; FILE:name chooses another variable")
            app.run()
        with ended_by_signals(run.stop):
            run.join()
    except KeyboardInterrupt:  # it reached the file, so no server runs in this thread
        serves = bool(run.servers)
        run.stop()
        if not serves:
            return 128 + signal.SIGINT
        run.join()
    except ListenError as error:
        return complain(error.strerror)
    except Exception as error:
        return tell(error, path)
    return complain(run.failure) if run.failure else run.code
