"""Forgetting: modules that were loaded late make room again. CPython forgets nothing (cpython.py)."""

import gc
import sys

import webhal

enabled = True


def forget(modules: str) -> None:
    """Let go of the modules of webhal of these names; the next use loads them anew. They must hold no state."""
    if enabled:
        for name in modules.split():
            if sys.modules.pop("webhal." + name, None) and hasattr(webhal, name):
                delattr(webhal, name)
        gc.collect()
