"""The table [tool.webhal] of a project's pyproject.toml, as it stands there.

What its keys mean is known to those who use them: running/configuration.py, deploying/project.py.
"""

import sys
from pathlib import Path
from typing import Any

NAME = "pyproject.toml"


def table(folder: Path) -> dict[str, Any]:
    """The table in the folder's pyproject.toml, empty if there is none. Raises ValueError when it cannot be read."""
    file = folder / NAME
    if not file.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("webhal", {})
    except (OSError, ValueError) as error:  # no UTF-8, no TOML
        raise ValueError(f"cannot read {file}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}: [tool.webhal] is a table")
    return found
