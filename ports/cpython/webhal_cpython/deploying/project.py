"""The table [tool.webhal] of a project's pyproject.toml: its application, and what is deployed with it.

    [tool.webhal]
    app = "app.py"
    with = ["static"]

Paths are relative to pyproject.toml. What the command line says wins.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from webhal_cpython import project
from webhal_cpython.deploying import DeployError
from webhal_cpython.project import NAME


def complete(arguments: argparse.Namespace) -> None:
    """Fill in `file` and `assets` where the command does not name them. Raises DeployError where nothing does."""
    if arguments.file is None:
        application, _ = read(Path())
        if application is None:
            raise DeployError(f'name the application\'s FILE, or write app = "app.py" under [tool.webhal] in {NAME}')
        arguments.file = application
    if arguments.assets is None:
        application, assets = read(arguments.file.parent)
        arguments.assets = assets if application in (None, arguments.file) else []


def read(folder: Path) -> tuple[Path | None, list[Path]]:
    """The application that the table names, if it does, and the assets. Raises DeployError for a wrong table."""
    try:
        table = project.table(folder)
    except ValueError as error:
        raise DeployError(str(error)) from error
    application, assets = table.get("app"), table.get("with", [])
    if not isinstance(application, (str, type(None))) or not isinstance(assets, list) or set(map(type, assets)) - {str}:
        raise DeployError(f'{folder / NAME}: [tool.webhal] has app = "app.py" and with = ["static"]')
    return folder / application if application else None, [folder / asset for asset in assets]
