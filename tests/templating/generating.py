"""Templates and values made up by hypothesis, for which a board's page must be Jinja2's. A long run is a command:

    python tests/templating/generating.py --examples 20000 --seed 7 [--micropython PATH]

What is known to differ, and is told in docs/templates.md, is not made up: it has tests of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from comparing import CPYTHON, Interpreter, by_jinja, compiled, same
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

NAMES = ["a", "b", "c", "d", "rows", "name", "missing"]
FIELDS = ["k", "name", "x"]
HOSTILE = "aB<>&'\" %{}\\\n5-"
UNICODE = HOSTILE + "éß日😀\u2028\xa0"

# -- values, as Python expressions ----------------------------------------------------------------------------------


def texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, max_size=6).map(repr)


def scalars(alphabet: str) -> st.SearchStrategy[str]:
    numbers = st.one_of(st.integers(-20, 99), st.sampled_from([0.5, 1.25, 0.1, 21.7, 3.0, 10**15])).map(repr)
    words = texts(alphabet)
    return st.one_of(st.sampled_from(["None", "True", "False"]), numbers, words, words.map("Markup({})".format))


def values(alphabet: str) -> st.SearchStrategy[str]:
    containers = st.recursive(
        scalars(HOSTILE),  # boards print what is not ASCII in another way there
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda of: "[%s]" % ", ".join(of)),
            st.tuples(inner, inner).map(lambda of: "(%s, %s)" % of),
            st.tuples(st.sampled_from(FIELDS), inner).map(lambda of: "{%r: %s}" % of),
        ),
        max_leaves=6,
    )
    return st.one_of(scalars(alphabet), containers)


@st.composite
def contexts(draw: Any, alphabet: str) -> str:
    pairs = {
        "a": draw(values(alphabet)),
        "b": draw(texts(alphabet)),
        "c": repr(draw(st.integers(-3, 9))),
        "name": "Markup(%s)" % draw(texts(alphabet)),
        "rows": "[%s]" % ", ".join(draw(st.lists(values(HOSTILE), max_size=3))),
    }
    if draw(st.booleans()):
        pairs["d"] = draw(values(alphabet))
    return "{%s, 'greet': greet}" % ", ".join(f"{name!r}: {value}" for name, value in pairs.items())


# -- expressions -----------------------------------------------------------------------------------------------------

# Right for every value: most of what is made up should not end in an error.
SAFE = """({x} ~ {y})  ({x} ~ {y} ~ {x})  ({x} == {y})  ({x} != {y})  ({x} and {y})  ({x} or {y})  (not {x})
({x} if {y} else {x})  ({x} if {y})  {{'k': {x}}}['k']  {{'k': {x}, 'b': {y}}}|length  ({x})|default({y})
({x})|d({y}, true)  ({x})|e  ({x})|safe  ({x})|forceescape  ({x})|string  ({x})|lower  ({x})|trim
({x})|replace('a', '<')  ({x})|replace({y}, 'q')  ({x})|urlencode  ({x})|int({y})  ({x})|float  ({x})|strong
[{x}, {y}]|join('<')  [{x}, {y}]|join({x})  (({x}) is defined)  (({x}) is none)  (({x}) is string)
(({x}) is number)  (({x}) is integer)  (({x}) is float)  (({x}) is boolean)  (({x}) is iterable)
(({x}) is mapping)  (({x}) is sequence)  (({x}) is escaped)  (({x}) is callable)  (({x}) is in [{x}, {y}])
[{x}, {y}]|length  [{x}, {y}]|first  [{x}, {y}]|last  ({x}|safe ~ {y})|length  range(3)|join({x})  mac({x})
mac({x}, q={y})  ({x} in [{y}, {x}])  ({x} not in ({y},))  ({x}).k  ({x}).name  ({x})['k']  ({x})[0]
({x})[-1]""".replace("\n", "  ")
# An error for many a value, which it must be on both.
RISKY = """({x} + {y})  ({x} - {y})  ({x} * 2)  ({x} < {y})  ({x} >= {y})  ({x} in {y})  ({x} // {y})
(({x} / {y})|round(2))  ((5 % {x})|round(2))  (-{x})  ({x})|length  ({x})|join({y})  ({x})|first  ({x})|last
({x})|sort|join('-')  ({x})|sort(reverse=true)|join('-')  ({x})|list|length  ({x})|abs  ({x})|min  ({x})|max
({x})|sum  ({x})|reverse|join  ({x})[1:]  ({x})[:2]|length  ({x})|round(1)  ({x})|int  ({x})|tojson
({x})|dictsort|length  ({x})|items|list|length  (({x}) is odd)  greet({x})  ({x})|money  ({x})|format({y})
('<%s>' % {x})  (('<%s>'|safe) % {x})""".replace("\n", "  ")
# Only of ASCII: boards know no other upper case, and print text in lists in another way.
ASCII = "({x})|upper  ({x})|title  ({x})|capitalize  [({x})|d(0)]  (({x})|d(''), 1)  (({x}) is lower)  (({x}) is upper)"


def split(forms: str) -> list[str]:
    return [form for form in forms.split("  ") if form]


def expressions(alphabet: str) -> st.SearchStrategy[str]:
    safe, risky = split(SAFE), split(RISKY)
    if alphabet is HOSTILE:
        safe = safe + split(ASCII)

    @st.composite
    def compound(draw: Any, inner: st.SearchStrategy[str]) -> str:
        form = draw(st.sampled_from(safe if draw(st.integers(0, 9)) else risky))
        return str(form.format(x=draw(inner), y=draw(inner)))

    quoted = st.text("aB<>& %5" + "é" * (alphabet is UNICODE), max_size=5).map("'{}'".format)
    atoms = st.one_of(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(0, 9).map(str),
        quoted,
        st.sampled_from(["true", "none", "1.5", "''"]),
    )
    return st.recursive(atoms, compound, max_leaves=4)


# -- templates -------------------------------------------------------------------------------------------------------

FORMS = """{% if E %}B{% else %}C{% endif %}
{% if E %}B{% elif F %}C{% endif %}
{% for N in rows %}B{{ loop.index }}{% if not loop.last %},{% endif %}{% endfor %}
{% for N in [E, F] %}B{% else %}C{% endfor %}
{% for N in (E)|string %}B{% else %}C{% endfor %}
{% for N in rows if N %}B{{ loop.length }}{% endfor %}
{% for N in [1, 2] %}B{{ loop.cycle('x', 'y') }}{{ loop.nextitem }}{% endfor %}
{% for N, q in [(1, E)] %}B{{ q }}{% endfor %}
{% set N = E %}B
{% set N, q = E, F %}B{{ q }}
{% set N %}B{% endset %}{{ N }}C
{%- with N = E -%} B {%- endwith %}C
{% filter lower %}B{% endfilter %}
{% call(z) wrap(E) %}B{{ z }}{% endcall %}
{% include 'part.html' %}B
{% set ns = namespace(v=E) %}{% for i in [1, 2] %}{% set ns.v = ns.v ~ i %}{% endfor %}{{ ns.v }}
{% macro own(N, p=E) %}B{{ p }}{% endmacro %}{{ own(F) }}C
BC""".split("\n")
MACROS = (
    "{% macro mac(p, q='<q>') %}<i>{{ p }}{{ q }}</i>{% endmacro %}"
    "{% macro wrap(w) %}[{{ w }}{{ caller(w) }}]{% endmacro %}"
)


def bodies(alphabet: str) -> st.SearchStrategy[str]:
    expression = expressions(alphabet)

    @st.composite
    def statement(draw: Any, inner: st.SearchStrategy[str]) -> str:
        words = {"B": inner, "C": inner, "E": expression, "F": expression, "N": st.sampled_from(NAMES[:-1])}
        drawn = {word: draw(strategy) for word, strategy in words.items()}
        return "".join(drawn.get(sign, sign) for sign in draw(st.sampled_from(FORMS)))

    output = expression.map("{{{{ {} }}}}".format)
    text = st.text("ab <>%\n&" + alphabet[-5:] * (alphabet is UNICODE), max_size=6)
    return st.recursive(st.one_of(output, output, text), statement, max_leaves=5)


@st.composite
def programs(draw: Any, alphabet: str) -> tuple[dict[str, str], str]:
    """Templates by name, and what they are given."""
    body = bodies(alphabet)
    one, two = draw(body), draw(body)
    part = MACROS + draw(body).replace("{% include 'part.html' %}", "")
    files = {"main.html": MACROS + one + "{% block one %}" + two + "{% endblock %}", "part.html": part}
    if draw(st.booleans()):
        block = "{% block one %}" + one + "{{ super() }}{% endblock %}"
        files["main.html"] = "{% extends 'base.html' %}" + MACROS + block
        files["base.html"] = MACROS + "<p>{% block one %}" + two + "{% endblock %}{% block two %}{{ a }}{% endblock %}"
    return files, draw(contexts(alphabet))


Report = Callable[[str], None]


def compare(interpreters: list[Interpreter], examples: int, start: int, report: Report) -> dict[str, int]:
    """Make templates up and compare; tells each difference. Returns how many were compared, and ended in an error."""
    counted = {"compared": 0, "errors": 0}
    with tempfile.TemporaryDirectory() as folder:

        @seed(start)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(st.sampled_from([HOSTILE, HOSTILE, UNICODE]).flatmap(programs))
        def judge(program: tuple[dict[str, str], str]) -> None:
            files, text = program
            expected = by_jinja(files, text)
            refusals = compiled(files, Path(folder))
            if refusals:
                report(f"refused {refusals}\n  {files}")
                return
            counted["compared"] += 1
            counted["errors"] += expected[:1] == "!"
            for interpreter in interpreters:
                answer = interpreter.render(Path(folder), text)
                if not same(expected, answer):
                    report(f"{interpreter.command[0]}\n  {files}\n  {text}\n  wanted {expected!r}\n  got    {answer!r}")

        judge()
    return counted


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare made-up templates' pages.")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--micropython", help="a MicroPython, besides CPython")
    options = parser.parse_args()
    interpreters = [Interpreter(*CPYTHON)]
    if options.micropython:
        interpreters.append(Interpreter(options.micropython, "-X", "heapsize=8m"))
    told: list[str] = []
    print(compare(interpreters, options.examples, options.seed, told.append), len(told), "differ")
    for each in sorted(told, key=len)[:10]:
        print(each)
    for interpreter in interpreters:
        interpreter.close()
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
