"""Other people's programs that tests run: where they are."""

import os
import shutil

import pytest


def tool(*names):
    """The path of the first of these programs that there is. A missing one skips the test, under CI it fails it."""
    for name in names:
        if path := shutil.which(name):
            return path
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"there is no {names[0]} here")
