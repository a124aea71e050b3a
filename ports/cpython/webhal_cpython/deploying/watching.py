"""For `webhal deploy --watch`: the next save is waited for, and what the board says is shown meanwhile."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from webhal_cpython.deploying import DeployError, fileset
from webhal_cpython.deploying.console import with_places

_LOOK_MS = 50  # between two looks at the board's output, and from a save until it is noticed
_LOOK_S = _LOOK_MS / 1000


def show(said: bytes, folder: Path) -> None:
    """Write what a board says as it is, here, too; `folder` is that of its application."""
    sys.stdout.write(with_places(_decoder.decode(said).replace("\r\n", "\n"), folder))
    sys.stdout.flush()


_decoder = codecs.getincrementaldecoder("utf-8")("replace")


class Saves:
    """What is saved from its making on, of an application in `folder` and of its assets."""

    def __init__(self, folder: Path, assets: Iterable[Path]) -> None:
        try:
            from watchfiles import watch
        except ImportError as error:
            raise DeployError("watchfiles is missing: pip install 'webhal[deploy]'") from error
        self._folder = Path(os.path.abspath(folder))
        self._assets = [Path(os.path.abspath(asset)) for asset in assets if asset.exists()]
        self.static: Iterable[str] = ()  # folders in `folder`
        places = [place for place in self._assets if not place.is_relative_to(self._folder)]
        self._changes = watch(
            self._folder, *places, debounce=_LOOK_MS, step=_LOOK_MS // 2, rust_timeout=_LOOK_MS, yield_on_timeout=True
        )
        next(self._changes)  # it begins to look

    def wait(self, hear: Callable[[float], bytes]) -> None:
        """Until something is saved that is deployed; shows what the board says meanwhile."""
        assets = [*self._assets, *(self._folder / name for name in self.static)]
        for changes in self._changes:
            if any(fileset.concerns(Path(path), self._folder, assets) for _, path in changes):
                return
            show(hear(_LOOK_S), self._folder)
