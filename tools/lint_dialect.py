"""Check that what boards get of this project runs on them, and that docs/dialects.md tells the checker's rules.

`--write` brings the tables of docs/dialects.md up to date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ports/cpython"))

from webhal_cpython import dialect, dialect_rules  # noqa: E402
from webhal_cpython.dialect_rules import TARGETS, Rule  # noqa: E402

# What runs which file, or the files of which folder.
FOLDERS = {
    "core/webhal": TARGETS,
    "ports/cpython/webhal_cpython/templating/functions.py": TARGETS,
    "ports/micropython": ("esp8266", "esp32", "rp2"),
    "ports/circuitpython": ("circuitpython",),
    "ports/template": TARGETS,
    "examples": TARGETS,
}
# What in them is for PCs only.
EXCEPTIONS = (
    "core/webhal/counters.py",
    "core/webhal/deflate.py",
    "core/webhal/net.py",
    "core/webhal/sendfile.py",
    "core/webhal/testing/boards/",
)
# Folders whose files must not import what a target lacks, not even in a try.
LIBRARIES = ("core/", "ports/")

PAGE = ROOT / "docs/dialects.md"
BEGIN = "<!-- tables: tools/lint_dialect.py --write -->\n"
END = "<!-- end of tables -->\n"
NAMES = {"esp8266": "ESP8266", "esp32": "ESP32", "rp2": "RP2", "circuitpython": "CircuitPython"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check what boards get of this project.")
    parser.add_argument("--write", action="store_true", help="bring docs/dialects.md up to date")
    page = PAGE.read_text(encoding="utf-8")
    current = update(page)
    if parser.parse_args().write:
        PAGE.write_text(current, encoding="utf-8")
        return 0
    lines = list(complaints())
    if page != current:
        lines.append("docs/dialects.md is not up to date; run tools/lint_dialect.py --write")
    for line in lines:
        print(line)
    return 1 if lines else 0


def complaints() -> Iterator[str]:
    """A line for each thing that some target does not run."""
    for folder, targets in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")) or [ROOT / folder]:
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(EXCEPTIONS):
                for finding in dialect.check(path.read_bytes(), targets, tries=not name.startswith(LIBRARIES)):
                    yield f"{name}:{finding}"


def update(page: str) -> str:
    """The page with its tables as the rules have them."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "".join(tables()) + END + rest.partition(END)[2]


def tables() -> Iterator[str]:
    yield "\n## Syntax, and what is seen in it\n\n" + rules_table(dialect_rules.SYNTAX.values())
    yield "\n## Methods and attributes\n\n"
    yield rules_table(
        [
            *dialect_rules.METHODS.values(),
            *dialect_rules.OF_CLASS.values(),
            *dialect_rules.ATTRIBUTES.values(),
        ]
    )
    yield "\n## Special methods that are never called\n\n" + rules_table(dialect_rules.SPECIAL.values())
    keywords = {rule.what: rule for table in dialect_rules.KEYWORDS.values() for rule in table.values()}
    yield "\n## Arguments\n\n" + rules_table([*keywords.values(), *dialect_rules.CALLS.values()])
    yield "\n## Modules\n\nOf the modules that CPython has, a board has these, with these names and no others.\n\n"
    yield table(
        ("Module", "ESP32, RP2", "not on ESP8266", "CircuitPython"),
        (
            (module, _names("esp32", module), _not_on_esp8266(module), _names("circuitpython", module))
            for module in sorted({*dialect_rules.MODULES["esp32"], *dialect_rules.MODULES["circuitpython"]})
        ),
    )
    yield "\n## Built-in names\n\nThese, and no others:\n\n"
    yield escaped(" ".join(sorted(dialect_rules.BUILTINS["esp32"]))) + ".\n\n"
    yield f"Not on an ESP8266: {escaped(' '.join(sorted(dialect_rules.ESP8266_LACKS_BUILTINS)))}.\n"
    yield f"On CircuitPython besides: {escaped(' '.join(sorted(dialect_rules.CIRCUITPYTHON_BUILTINS)))}.\n"
    yield "\n## Instead of missing modules and names\n\n"
    hints = {**dialect_rules.BUILTIN_HINTS, **dialect_rules.MODULE_HINTS}
    yield table(("Missing", "Write instead"), sorted(hints.items()))


def rules_table(rules: Iterable[Rule]) -> str:
    return table(
        ("Does not work", "on", "Write instead", "Source"),
        (
            (
                rule.what,
                "all boards" if rule.on == TARGETS else ", ".join(NAMES[target] for target in rule.on),
                rule.instead,
                rule.source,
            )
            for rule in rules
        ),
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(escaped, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(text: str) -> str:
    """`text` with backslashes before what Markdown would take for its own."""
    return "".join("\\" + sign if sign in "\\|*_<`[]" else sign for sign in text)


def _names(target: str, module: str) -> str:
    names = dialect_rules.MODULES[target].get(module)
    return "–" if names is None else names or "(not looked into)"


def _not_on_esp8266(module: str) -> str:
    lacks = dialect_rules.ESP8266_LACKS.get(module, "")
    return "all of it" if lacks == "*" else lacks


if __name__ == "__main__":
    sys.exit(main())
