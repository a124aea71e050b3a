"""What compiled templates call: Jinja2's values, filters (`do_…`) and tests (`test_…`), for the Python of boards.

Nothing here runs on a PC, but for tests: building.py copies into `templates/__init__.py` what a folder's templates use,
and no more. So a function imports what it needs itself.

MicroPython keeps every one-character str that indexing or iteration makes, for ever, and a client could fill the memory
with them. So text is cut by slices here, or walked as bytes.
"""

# -- values -----------------------------------------------------------------------------------------------------


class Missing:
    """What stands for a name, attribute or item that is not there: empty when printed, an error when used otherwise."""

    def __str__(self):
        return ""

    def __len__(self):
        return 0

    def __iter__(self):
        return iter(())


MISSING = Missing()


class Markup:
    """Text that is HTML already, so that it is not escaped."""

    def __init__(self, value=""):
        self.html = html(value)

    def __str__(self):
        return self.html

    def __html__(self):
        return self.html

    def __repr__(self):
        return "Markup(%r)" % self.html

    def __len__(self):
        return len(self.html)

    def __iter__(self):
        return iter(self.html)

    def __hash__(self):
        return hash(self.html)

    def __contains__(self, part):
        return plain(part) in self.html

    def __getitem__(self, key):
        return Markup(self.html[key])

    def __eq__(self, other):
        return self.html == plain(other)

    def __lt__(self, other):
        return self.html < plain(other)

    def __gt__(self, other):
        return self.html > plain(other)

    def __le__(self, other):
        return self.html <= plain(other)

    def __ge__(self, other):
        return self.html >= plain(other)

    def __add__(self, other):
        return Markup(self.html + escape(needs_text(other)))

    def __radd__(self, other):
        return Markup(escape(needs_text(other)) + self.html)

    def __mul__(self, count):
        return Markup(self.html * count)

    def __rmul__(self, count):
        return Markup(self.html * count)

    def __mod__(self, values):
        if isinstance(values, tuple):
            return Markup(self.html % tuple([formatted(value) for value in values]))
        return Markup(self.html % formatted(values))

    def __getattr__(self, name):
        return getattr(self.html, name)


def formatted(value):
    """A value for % of a Markup: numbers stay, for %d and %f."""
    return value if isinstance(value, (bool, int, float)) else escape(value)


def needs_text(value):
    if isinstance(value, (str, Markup)):
        return value
    raise TypeError("only text is added to Markup")


def plain(value):
    """The str of a Markup; anything else as it is. Boards find no Markup among a dict's keys, nor in a str."""
    return value.html if isinstance(value, Markup) else value


def html(value):
    """A value's HTML, or its text."""
    return str(value.__html__()) if hasattr(value, "__html__") else text(value)


def text(value):
    """A value as str() gives it on a PC."""
    if isinstance(value, float):
        # The fewest digits that mean this number, of 32 or of 64 bits; boards print others.
        for digits in range(6, 18):
            shown = "%.*g" % (digits, value)
            if float(shown) == value:
                if "e" in shown or "n" in shown:
                    break
                return shown if "." in shown else shown + ".0"
    return value if isinstance(value, str) else str(value)


def escape(value):
    """A value as HTML."""
    if not isinstance(value, str):
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return text(value)
        if hasattr(value, "__html__"):
            return str(value.__html__())
        value = str(value)
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return value.replace("'", "&#39;").replace('"', "&#34;")


def ordered(*pairs):
    """A dict that keeps its order."""
    from collections import OrderedDict

    return OrderedDict(pairs)


def concat(*values):
    """The operator ~."""
    if any([hasattr(value, "__html__") for value in values]):
        return Markup("".join([escape(value) for value in values]))
    return "".join([text(value) for value in values])


# -- names and what they have ------------------------------------------------------------------------------------


def resolve_global(context, name):
    """A name that Jinja2 knows by itself, if it is not of the context."""
    return context.get(name, {"range": range}.get(name, dict))


def attribute(value, name):
    """value.name"""
    found = getattr(value, name, MISSING)
    if found is MISSING:
        needed(value)
        try:
            found = value[name]
        except (TypeError, LookupError, AttributeError):
            pass
    return found


def field(value, name):
    """value.name of a name that no method of dict has: found more quickly."""
    return value.get(name, MISSING) if isinstance(value, dict) else attribute(value, name)


def item(value, key):
    """value[key]"""
    needed(value)
    key = plain(key)
    try:
        if isinstance(value, str) and isinstance(key, int):
            return value[key : key + 1 or None] or MISSING
        return value[key]
    except (TypeError, LookupError, AttributeError):
        return getattr(value, key, MISSING) if isinstance(key, str) else MISSING


def needed(value):
    """Raise NameError for what is not there."""
    if value is MISSING:
        raise NameError("undefined")


def extend(context, names):
    """A context with more names, for an include or a block; what is undefined does not hide what is there."""
    context = dict(context)
    for name in names:
        if names[name] is not MISSING:
            context[name] = names[name]
    return context


def merge(blocks, above):
    """A template's blocks, where those of one that extends it win."""
    merged = dict(blocks)
    merged.update(above or {})
    return merged


def exported(root, context):
    """What a template that is imported sets: macros and names."""
    before = dict(context)
    for _ in root(context):
        pass
    return {name: context[name] for name in context if name not in before or before[name] is not context[name]}


def constant(name, start, count):
    """`count` characters of the text of a template, from a file beside the modules; `start` is in bytes."""
    import sys

    for folder in sys.path:
        try:
            file = open((folder + "/" if folder else "") + "templates/" + name)
            break
        except OSError:
            pass
    else:
        raise OSError(name)
    with file:
        file.seek(start)
        while count:
            piece = file.read(min(count, 128))  # characters: little more than render's pieces
            if not piece:
                raise OSError(name)
            count -= len(piece)
            yield piece


def sized(items):
    """What a for goes over, with a length."""
    try:
        len(items)
        return items
    except TypeError:
        return list(items)


class Loop:
    """What a for calls `loop`, and its iterator."""

    depth = 1
    depth0 = 0
    index0 = -1
    index = 0
    previtem = MISSING
    item = MISSING
    last_changed: "object" = MISSING

    def __init__(self, items):
        items = sized(items)
        self.length = self.revindex = len(items)
        self.items = iter(items)
        self.nextitem = do_first(self.items)

    def __iter__(self):
        return self

    def __next__(self):
        if self.index == self.length:
            raise StopIteration
        self.previtem = self.item
        self.item = self.nextitem
        self.nextitem = do_first(self.items)
        self.index0 = self.index
        self.index += 1
        self.first = self.index == 1
        self.last = self.index == self.length
        self.revindex0 = self.length - self.index
        self.revindex = self.revindex0 + 1
        return self.item

    def cycle(self, *values):
        return values[self.index0 % len(values)]

    def changed(self, *value):
        changed = value != self.last_changed
        self.last_changed = value
        return changed


# -- filters, with Jinja2's names of arguments ---------------------------------------------------------------------


def with_text(value, function):
    """function(text), which stays Markup if it was."""
    if isinstance(value, Markup):
        return Markup(function(value.html))
    return function(text(value))


def getter(path, lower=False):
    """A function that gives an attribute of a value: "a.b", "a.0", 0 or None; in lower case if it is text."""

    def get(value):
        if path is not None:
            for part in path.split(".") if isinstance(path, str) else (path,):
                value = item(value, int(part) if isinstance(part, str) and part.isdigit() else part)
        return plain(value).lower() if lower and isinstance(value, (str, Markup)) else value

    return get


def do_abs(x):
    return abs(x)


def do_capitalize(s):
    return with_text(s, lambda s: s[:1].upper() + s[1:].lower())


def do_default(value, default_value="", boolean=False):
    return default_value if value is MISSING or boolean and not value else value


def do_dictsort(value, case_sensitive=False, by="key", reverse=False):
    return do_sort(value.items(), reverse, case_sensitive, 0 if by == "key" else 1)


def do_escape(s):
    return s if isinstance(s, Markup) else Markup(escape(s))


def do_first(seq):
    if isinstance(seq, str):
        return seq[:1] or MISSING
    for value in seq:
        return value
    return MISSING


def do_float(value, default=0.0):
    needed(value)
    try:
        return float(plain(value))
    except (TypeError, ValueError):
        return default


def do_forceescape(value):
    return Markup(escape(html(value)))


def do_format(value, *args):
    return with_text(value, lambda s: s % args) if not isinstance(value, Markup) else value % args


def do_int(value, default=0, base=10):
    needed(value)
    value = plain(value)
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        try:
            return int(float(value))
        except (TypeError, ValueError, OverflowError):
            return default


def do_items(value):
    return () if value is MISSING else value.items()


def do_join(value, d="", attribute=None):
    get = getter(attribute)
    parts = [get(part) for part in value]
    if any([hasattr(part, "__html__") for part in parts]) or hasattr(d, "__html__"):
        return Markup(escape(d).join([escape(part) for part in parts]))
    return text(d).join([text(part) for part in parts])


def do_last(seq):
    if isinstance(seq, (str, Markup)):
        return seq[-1:] if len(seq) else MISSING
    seq = list(seq)
    return seq[-1] if seq else MISSING


def do_length(obj):
    return len(sized(obj))  # boards do not count what keys(), values() and items() give


def do_list(value):
    return list(value)


def do_lower(s):
    return with_text(s, lambda s: s.lower())


def do_max(value, case_sensitive=False, attribute=None):
    return do_first(do_sort(value, True, case_sensitive, attribute))


def do_min(value, case_sensitive=False, attribute=None):
    return do_first(do_sort(value, False, case_sensitive, attribute))


def do_replace(s, old, new, count=-1):
    if hasattr(old, "__html__") or hasattr(new, "__html__"):
        s = do_escape(s)
    if isinstance(s, Markup):
        return Markup(s.html.replace(text(old), escape(new), count))
    return text(s).replace(text(old), text(new), count)


def do_reverse(value):
    if isinstance(value, (str, Markup)):
        return with_text(value, lambda s: "".join([s[i : i + 1] for i in range(len(s) - 1, -1, -1)]))
    return reversed(list(value))


def do_round(value, precision=0, method="common"):
    if method == "common":
        return round(value, precision)
    import math

    return getattr(math, method)(value * 10**precision) / 10**precision


def do_safe(value):
    return Markup(value)


def do_sort(value, reverse=False, case_sensitive=False, attribute=None):
    # Boards' sort is not stable: the places decide between equals.
    value = list(value)
    names = attribute.split(",") if isinstance(attribute, str) else (attribute,)
    gets = [getter(name, not case_sensitive) for name in names]
    sign = -1 if reverse else 1
    keys = [tuple([plain(get(each)) for get in gets]) + (sign * place,) for place, each in enumerate(value)]
    keys.sort(reverse=reverse)
    return [value[sign * key[-1]] for key in keys]


def do_string(object):
    return object if isinstance(object, Markup) else text(object)


def do_sum(iterable, attribute=None, start=0):
    get = getter(attribute)
    for value in iterable:
        start = start + get(value)
    return start


def do_title(s):
    out = bytearray()
    first = True
    for byte in text(s).encode():
        if 97 <= byte <= 122 and first:
            byte -= 32
        elif 65 <= byte <= 90 and not first:
            byte += 32
        out.append(byte)
        first = byte in b"-({[< \t\n\r\x0b\x0c"
    return str(bytes(out), "utf-8")


def do_tojson(value):
    out: "list[str]" = []
    write_json(value, out)
    return Markup("".join(out))


def write_json(value, out):
    if isinstance(value, dict):
        comma = "{"
        for key in sorted(value):
            out.append(comma)
            write_json(key if isinstance(key, (str, Markup)) else json_word(key), out)
            out.append(": ")
            write_json(value[key], out)
            comma = ", "
        out.append("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        comma = "["
        for each in value:
            out.append(comma)
            write_json(each, out)
            comma = ", "
        out.append("]" if value else "[]")
    elif isinstance(value, (str, Markup)):
        out.append('"')
        code = more = 0
        for byte in plain(value).encode():
            if byte < 128:
                place = b'"\\\n\r\t\b\f'.find(bytes((byte,)))
                if place >= 0:
                    out.append(("\\" + '"\\nrtbf'[place]))
                elif byte < 32 or byte in b"<>&'\x7f":
                    out.append("\\u%04x" % byte)
                else:
                    out.append(chr(byte))
            elif byte < 192:
                code = code << 6 | byte & 63
                more -= 1
                if not more and code > 65535:
                    code -= 65536
                    out.append("\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 1023))
                elif not more:
                    out.append("\\u%04x" % code)
            else:
                more = 1 if byte < 224 else 2 if byte < 240 else 3
                code = byte & (63 >> more)
        out.append('"')
    else:
        out.append(json_word(value))


def json_word(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(value)) or text(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError("not JSON: " + type(value).__name__)


def do_trim(value, chars=None):
    return with_text(value, lambda s: s.strip() if chars is None else s.strip(plain(chars)))


def do_upper(s):
    return with_text(s, lambda s: s.upper())


def do_urlencode(value):
    if isinstance(value, (str, Markup)) or not test_iterable(value):
        return quote(value, b"/")
    pairs = value.items() if isinstance(value, dict) else value
    return "&".join([quote(key, b" ") + "=" + quote(each, b" ") for key, each in pairs])


def quote(value, safe):
    out = ""
    for byte in text(value).encode():
        if 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"_.-~" or byte in safe:
            out += chr(byte) if byte != 32 else "+"
        else:
            out += "%%%02X" % byte
    return out


# -- tests ------------------------------------------------------------------------------------------------------


def test_boolean(value):
    return isinstance(value, bool)


def test_callable(value):
    return value is MISSING or callable(value)  # Undefined of Jinja2 is


def test_defined(value):
    return value is not MISSING


def test_escaped(value):
    return hasattr(value, "__html__")


def test_float(value):
    return isinstance(value, float)


def test_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def test_iterable(value):
    try:
        iter(value)
    except TypeError:
        return False
    return True


def test_lower(value):
    return text(value).islower()


def test_mapping(value):
    return isinstance(value, dict)


def test_number(value):
    return isinstance(value, (int, float, bool))


def test_sequence(value):
    return isinstance(value, (str, list, tuple, dict, Markup, range, bytes, Missing))


def test_string(value):
    return isinstance(value, (str, Markup))


def test_undefined(value):
    return value is MISSING


def test_upper(value):
    return text(value).isupper()
