"""The same with each of several boards, at the same time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_S = 8  # after Ctrl-C, for boards that are given back


def each(act: Callable[[str], T], targets: Sequence[str], stop: Callable[[], None]) -> list[T]:
    """The results of `act` for all targets. Raises what one of them raised.

    With one target Ctrl-C is raised within `act`. With several it calls `stop`, which lets all that is going on end;
    what has not ended after _PATIENCE_S ends with the program.
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
        finally:
            ended.release()

    # Collecting garbage in the midst of ast.parse may let another thread run, and parse; in Python 3.11 both fail then,
    # with "AST constructor recursion depth mismatch".
    gc.disable()
    ended = threading.Semaphore(0)  # not join(): interrupted, it takes a thread that runs for one that has ended
    for target in targets:
        threading.Thread(target=run, args=(target,), daemon=True).start()
    try:
        for _ in targets:
            ended.acquire()
    except KeyboardInterrupt:
        stop()
        give_up = time.monotonic() + _PATIENCE_S
        while len(results) + len(errors) < len(targets) and ended.acquire(timeout=max(0, give_up - time.monotonic())):
            pass
        raise
    finally:
        gc.enable()
    for error in errors:
        raise error
    return [results[target] for target in targets]
