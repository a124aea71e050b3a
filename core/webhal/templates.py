"""Pages from templates in Jinja2's language: what applications import of it, and how a template is found.

On a PC that is Jinja2 itself. A board has neither Jinja2 nor a parser: there each template is a module of the package
`templates` beside the application, made by `webhal deploy` or `webhal build-templates`, whose functions, Markup among
them, are in the package itself (ports/cpython/webhal_cpython/templating).
"""

import gc
import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

_PIECE = 100  # characters: a piece for each expression would cost a write, and a chunk's frame, each


def render(_name: str, **context: "Any") -> "Iterator[str]":
    """The page that a template makes of `context`, for a handler to return: an iterator of about 100 characters each.

    `_name` is the template's path in the folder `templates` beside the application. Where there is none, it raises at
    once, jinja2.TemplateNotFound on a PC and ImportError on a board; what the template raises comes while it runs.
    """
    return gather(load(_name).root(context))


def render_text(_name: str, **context: "Any") -> str:
    """The same as one str, as long as the page: on boards for short ones."""
    return "".join(render(_name, **context))


def load(name: str) -> "Any":
    """The module of a template."""
    home = "templates." + name.replace(".", "_").replace("/", "_").replace("-", "_")
    if home not in sys.modules:
        gc.collect()  # what is loaded now stays: let it lie together
    try:
        return __import__(home, None, None, ("root",))
    except MemoryError:
        webhal.forget(home)
        if not hasattr(sys.modules.get("templates"), "__path__"):  # it was the package that did not fit, or not whole
            webhal.forget("templates")
        raise


def gather(pieces: "Generator[str]") -> "Iterator[str]":
    """The same text in pieces that are not short, but for the last."""
    text = ""
    try:
        for piece in pieces:
            text += piece
            if len(text) >= _PIECE:
                yield text
                text = ""
        if text:
            yield text
    finally:
        pieces.close()  # which reads from a file, maybe, and whose reader has left


def __getattr__(name: str) -> object:
    """Markup, which a board has if something there uses it."""
    if name != "Markup":
        raise AttributeError(name)
    return __import__("templates").Markup


if sys.implementation.name == "cpython":
    import functools
    import runpy
    from pathlib import Path
    from types import FrameType

    try:
        from jinja2 import Environment, FileSystemLoader
        from markupsafe import Markup as Markup
    except ImportError:
        raise ImportError("webhal.templates on a PC is Jinja2: pip install 'webhal[templates]'") from None

    def render(_name: str, **context: "Any") -> "Iterator[str]":
        return _render(sys._getframe(1), _name, context)

    def render_text(_name: str, **context: "Any") -> str:
        return "".join(_render(sys._getframe(1), _name, context))

    def _render(caller: FrameType, name: str, context: "dict[str, Any]") -> "Iterator[str]":
        folder = Path(caller.f_globals.get("__file__", "none")).resolve().parent  # else the current one
        pieces = _environment(folder).get_template(name).generate(context)
        return gather(str(piece) for piece in pieces)  # some are Markup, which escapes what is added to it

    @functools.lru_cache(maxsize=None)
    def _environment(folder: Path) -> Environment:
        """Of the folder `templates` in a folder of the application's, or nearest above it."""
        found = [each / "templates" for each in [folder] + list(folder.parents) if (each / "templates").is_dir()]
        if not found:
            raise FileNotFoundError("there is no folder %s" % (folder / "templates"))
        templates = found[0]
        environment = Environment(loader=FileSystemLoader(templates), autoescape=True)
        filters = templates / "filters.py"
        if filters.exists():
            for name, value in runpy.run_path(str(filters)).items():
                if name[0] != "_" and getattr(value, "__code__", None) and value.__code__.co_filename == str(filters):
                    environment.filters[name] = value
        return environment
