"""What the templates of cases.txt are given, on a PC as on boards: eval'd there, so that each has its own Markup."""

class Thing:
    def __init__(self, **attributes):
        for name in attributes:
            setattr(self, name, attributes[name])


class Badge:
    """An object with HTML of its own."""

    def __html__(self):
        return "<i>badge</i>"

    def __str__(self):
        return "a <badge>"


class Strong:
    """Another, whose HTML is Markup."""

    def __init__(self, Markup):
        self.Markup = Markup

    def __html__(self):
        return self.Markup("<b>strong</b>")


def greet(who="you", times=1):
    return "<" + who * times + ">"


def count(to):
    yield from range(to)


def fail():
    raise ValueError("failed")


SCRIPT = "<script>alert('x')</script>"
QUOTED = "\"it's\" & more"
UNICODE = "Gr\xfc\xdfe \u2192 \u65e5\u672c \U0001f600 \u2028"


def values(Markup):
    return {
        "script": SCRIPT,
        "quoted": QUOTED,
        "unicode": UNICODE,
        "bold": Markup("<b>ok</b>"),
        "empty": "",
        "nothing": None,
        "yes": True,
        "minus": -7,
        "half": 3.5,
        "sum": 0.1 + 0.2,
        "price": 99.99,
        "huge": 12345678901234567890,
        "list": [3, "<a>", None, 2.5],
        "numbers": [4, 1, 3],
        "letters": ["b", "A", "a", "B"],
        "dict": {"key": "<v>", "items": 5},
        "one": {"only": 1},
        "rows": [
            {"id": 1, "name": "a<", "price": 1.25},
            {"id": 2, "name": "b", "price": 99.99},
            {"id": 3, "name": "a<", "price": 7},
        ],
        "pairs": [("k1", (1, 2)), ("k2", (3, 4))],
        "tree": [{"name": SCRIPT, "below": [{"name": "x"}]}, {"name": "y", "below": []}],
        "thing": Thing(name="<n>", tags=["x", "y&"], inner=Thing(a={"b": [1, 2]}), items=[1], pop=2),
        "badge": Badge(),
        "strong": Strong(Markup),
        "greet": greet,
        "bolder": lambda text: Markup("<b>" + text + "</b>"),
        "count": count,
        "fail": fail,
        # Names of what compiled templates call, and of Python's.
        "escape": "E",
        "field": "F",
        "resolve": "R",
        "str": "S",
        "class": "C",
        "_c": "_C",
    }


def generated(text, Markup):
    """The values that generated templates are given, of which `text` is a Python expression."""
    names = {"Markup": Markup, "greet": greet}
    return eval(text, names)
