"""Asynchronous iterators as bodies: `async def` handlers that yield; loaded with the first one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


def flatten(source: "Any") -> "Generator[Any, None, None]":
    """An asynchronous iterator as a generator of its pieces and of what it waits for."""
    try:
        while True:
            step: "Any" = source.__anext__()
            if hasattr(step, "__await__"):
                step = step.__await__()
            try:
                while True:
                    yield next(step)
            except StopIteration as stop:
                piece = stop.value
            except StopAsyncIteration:
                return
            except GeneratorExit:
                if hasattr(step, "throw"):  # close() would leave an asynchronous generator "running"
                    step.throw(GeneratorExit())
                raise
            yield piece
    finally:
        if hasattr(source, "aclose"):
            try:
                source.aclose().send(None)
            except StopIteration:
                pass
