"""The same with each of several boards, at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def each(act: Callable[[str], T], targets: Sequence[str]) -> list[T]:
    """The results of `act` for all targets. Raises what one of them raised.

    Ctrl-C is not kept waiting: with one target it is raised within `act`, with several their threads end with the
    program.
    """
    if len(targets) == 1:
        return [act(targets[0])]
    results: dict[str, T] = {}
    errors: list[BaseException] = []

    def run(target: str) -> None:
        try:
            results[target] = act(target)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    return [results[target] for target in targets]
