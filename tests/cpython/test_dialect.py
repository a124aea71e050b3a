"""webhal_cpython.dialect: what it reports and what not; a real MicroPython is asked about each of its rules."""

import builtins
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from webhal_cpython import dialect, dialect_rules
from webhal_cpython.cli import main
from webhal_cpython.dialect import TARGETS

ROOT = Path(__file__).resolve().parents[2]

ASYNC = """
def run(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value
"""
ITERATOR = """
class Numbers:
    def __init__(self):
        self.last = 0
    def __aiter__(self):
        return self
    async def __anext__(self):
        self.last += 1
        if self.last > 2:
            raise StopAsyncIteration
        return self.last
"""
MATCH = "import re\nm = re.match('(a)(b)', 'ab')\n"
STAT = "import os\npath = '.'\n"
TIME = "import time\n"
BYTES = 'b = bytearray(b"abc")\n'
DEQUE = "from collections import deque\nd = deque([1, 2], 5)\n"
SOCKET = "import socket\ns = socket.socket()\ns.close()\n"
POOL = """
class Socket:
    def __getattr__(self, name): return lambda *x: (1, 2)
class Pool:
    def socket(self): return Socket()
pool = Pool()
s = pool.socket()
"""
ARRAY = "from array import array\na = array('i', [1, 2])\n"

# By what a rule forbids: a program that runs on CPython, and fails where the rule holds; one that runs everywhere.
# Where the failure is silent, an assertion shows it.
EXAMPLES = {
    # syntax
    "match statement": ("match 1:\n    case 1: pass", "if 1 == 1: pass"),
    "positional-only parameters": ("def f(a, /): pass", "def f(a): pass"),
    "[*a], (*a, b) or {*a}": ("a = [1]\nb = [*a, 2]", "a = [1]\nb = a + [2]\nc = (1,) + tuple(a)\nd = {1} | set(a)"),
    "{**d}": ("d = {1: 2}\ne = {**d}", "d = {'a': 2}\ne = dict(d, b=3)\nf = d | {1: 2}"),
    "with (a as b, c as d):": (
        "import io\nwith (io.StringIO() as a, io.StringIO() as b): pass",
        "import io\nwith io.StringIO() as a, \\\n     io.StringIO() as b: pass",
    ),
    "async comprehension": (
        ITERATOR + "async def f(): return [x async for x in Numbers()]",
        ASYNC + ITERATOR + "async def f():\n    a = []\n    async for x in Numbers(): a.append(x)\n    return a\n"
        "assert run(f()) == [1, 2]",
    ),
    "await in a comprehension": (
        "async def g(): pass\nasync def f(): return [await g() for _ in (1, 2)]",
        ASYNC + "async def g(): return [1, 2]\nasync def f(): return [x for x in await g()]\nassert run(f()) == [1, 2]",
    ),
    "async for over an async generator": (
        ASYNC + "async def g(): yield 1\nasync def f():\n    async for x in g(): pass\nrun(f())",
        ASYNC + ITERATOR + "async def f():\n    async for x in Numbers(): pass\nrun(f())",
    ),
    "keyword in a class statement (metaclass=…)": (
        "class Meta(type): pass\nclass A(metaclass=Meta): pass",
        "class A: pass",
    ),
    "except*": ("try: pass\nexcept* ValueError: pass", "try: pass\nexcept ValueError: pass"),
    "type statement or type parameters": ("def f[T](x: T) -> T: return x", "def f(x): return x"),
    "decorator that is not a name or a call of one": (
        "table = [lambda f: f]\n@table[0]\ndef f(): pass",
        "table = [lambda f: f]\nfirst = table[0]\n@first\ndef f(): pass",
    ),
    "f(key=value, *args), which passes the wrong values": (
        "def f(*a, **k): return a, k\nassert f(key=1, *[2]) == ((2,), {'key': 1})",
        "def f(*a, **k): return a, k\nassert f(*[2], key=1) == ((2,), {'key': 1})",
    ),
    "f-string whose expression has a : or a brace outside of brackets, or a string in which they stand, "
    "or another f-string": (
        "d = {}\ns = f\"{d.get('a', ':')}\"",
        "d = {}\nvalue = d.get('a', ':')\ns = f'{value}'",
    ),
    "!a in a format": ("s = f'{1!a}'", "s = f'{1!r}'"),
    "f-string beside a string with braces, which are taken for fields": (
        "assert f'{1}' '{2}' == '1{2}'",
        "assert f'{1}' + '{2}' == '1{2}'",
    ),
    "upper-case string prefix": (r"s = R'\d'", r"s = r'\d'"),
    r"\N{…} in a string": (r"s = '\N{BULLET}'", r"s = '\u2022'"),
    "complex number": ("z = 1j", "z = (0, 1)"),
    "list[int] outside of an annotation": ("Names = list[str]", "Names = list\ndef f(names: list[str]): pass"),
    "int | str outside of an annotation": (
        "assert isinstance(1, int | str)",
        "assert isinstance(1, (int, str))\ndef f(x: int | str): pass",
    ),
    "attribute of a function": (
        "def f(): pass\nf.count = 1",
        "class F:\n    count = 0\n    def __call__(self): self.count += 1\nf = F()\nf()\nassert f.count == 1",
    ),
    "slice with a step, but of a list or range": (
        "s = 'abc'[::-1]",
        "s = ''.join(reversed('abc'))\nassert s + list('abc')[::2][1] == 'cbac'",
    ),
    "assignment to, or del of, a slice with a step": (
        "a = [1, 2]\na[::2] = [0]",
        "a = [1, 2]\nfor i in range(0, 2, 2): a[i] = 0",
    ),
    "del of items of a bytearray, array or deque": (
        BYTES + "del b[:1]",
        BYTES + "b[:1] = b''\nassert b == b'bc'",
    ),
    "len() of keys(), values() or items()": ("n = len({1: 2}.keys())", "n = len({1: 2})"),
    "set operation on keys() or items()": ("k = {1: 2}.keys() & {1}", "k = set({1: 2}) & {1}"),
    "special method of a built-in class called by name": (
        "class E(Exception):\n    def __init__(self): Exception.__init__(self, 'x')\nE()",
        "class E(Exception):\n    def __init__(self): super().__init__('x')\nassert E().args == ('x',)",
    ),
    "method of a built-in class called with self": (
        "class D(dict):\n    def put(self): dict.update(self, a=1)\nD().put()",
        "class D(dict):\n    def put(self): super().update(a=1)\nD().put()",
    ),
    "change of an instance's __dict__": (
        "class A: pass\na = A()\na.__dict__['x'] = 1",
        "class A: pass\na = A()\nsetattr(a, 'x', 1)\nassert a.x == 1",
    ),
    "super() that reads a property": (
        "class A:\n    @property\n    def x(self): return 1\n"
        "class B(A):\n    @property\n    def x(self): return super().x + 1\nB().x",
        "class A:\n    def get(self): return 1\n    @property\n    def x(self): return self.get()\n"
        "class B(A):\n    def get(self): return super().get() + 1\nassert B().x == 2",
    ),
    "with memoryview(…)": ("with memoryview(b'a') as m: pass", "m = memoryview(b'a')"),
    'b"".join() of a memoryview': (
        "m = memoryview(b'a')\nb''.join([b'b', m])",
        "m = memoryview(b'a')\nb''.join([b'b', bytes(m)])",
    ),
    "codec other than UTF-8, which is taken for UTF-8": (
        "assert 'ä'.encode('latin-1') == b'\\xe4'",
        "assert bytes([ord(sign) for sign in 'ä']) == b'\\xe4'\nassert ''.join([chr(n) for n in b'\\xe4']) == 'ä'",
    ),
    "errors argument of a codec, which is ignored": (
        "b'\\xff'.decode('utf-8', 'replace')",
        "try: b'\\xff'.decode()\nexcept UnicodeError: pass",
    ),
    "{a.b} or {a[b]} in str.format()": ("s = '{0[a]}'.format({'a': 1})", "s = '{}'.format({'a': 1}['a'])"),
    "__await__ without __iter__": (
        ASYNC + "class A:\n    def __await__(self):\n        yield\nasync def f(): await A()\nrun(f())",
        ASYNC + "class A:\n    def __iter__(self):\n        yield\n    __await__ = __iter__\n"
        "async def f(): await A()\nrun(f())",
    ),
    "{m,n} in a pattern, which matches nothing": (
        "import re\nassert re.match('a{1,2}$', 'aa')",
        "import re\nassert re.match('aa?$', 'aa')",
    ),
    r"\b, \B, \A or \Z in a pattern, which matches nothing": (
        r"import re" "\n" r"assert re.search(r'\bb', 'a b')",
        "import re\nassert re.search('(^|[^a-z])b', 'a b')",
    ),
    "(?…) in a pattern, but for (?:…)": (
        "import re\nre.match('(?P<name>a)', 'a')",
        "import re\nre.match('(?:a)(b)', 'ab').group(1)",
    ),
    r"\1 in a pattern, which matches nothing": (
        r"import re" "\n" r"assert re.match(r'(a)\1', 'aa')",
        "import re\nm = re.match('(.)(.)', 'aa')\nassert m.group(1) == m.group(2)",
    ),
    "a*+ in a pattern": ("import re\nre.match('a*+b', 'aab')", "import re\nre.match('a*b', 'aab')"),
    r"\x in a pattern, which matches an x": (
        r"import re" "\n" r"assert re.match(r'\x41', 'A')",
        r"import re" "\n" r"assert re.match('\x41', 'A')",
    ),
    r"\n, \r, \t … in a pattern, which match the letters": (
        r"import re" "\n" r"assert re.match(r'\r\n', '\r\n')",
        r"import re" "\n" r"assert re.match('\r\n', '\r\n')",
    ),
    "[]…] in a pattern": (
        "import re\nassert re.match('[]a]+$', 'a]')",
        r"import re" "\n" r"assert re.match(r'[\]a]+$', 'a]')",
    ),
    "flags of a pattern, which are ignored": (
        "import re\nassert re.match('A', 'a', 2)",
        "import re\nassert re.match('[aA]', 'a')",
    ),
    "pattern on a bytearray or memoryview": (
        "import re\nre.match(b'a', bytearray(b'a'))",
        "import re\nre.match(b'a', bytes(bytearray(b'a')))",
    ),
    "errno compared with a number above 34, which each system has another meaning for": (
        "try: raise OSError(98, 'x')\nexcept OSError as e: assert e.errno == 98",
        "import errno\ntry: raise OSError(errno.EADDRINUSE, 'x')\n"
        "except OSError as e: assert e.errno == errno.EADDRINUSE and e.errno != 2",
    ),
    # methods
    "capitalize()": ("'ab'.capitalize()", "s = 'aB'\nassert s[:1].upper() + s[1:].lower() == 'Ab'"),
    "casefold()": ("'A'.casefold()", "'A'.lower()"),
    "expandtabs()": (r"'\t'.expandtabs()", r"'\t'.replace('\t', ' ')"),
    "format_map()": ("'{a}'.format_map({'a': 1})", "'{a}'.format(**{'a': 1})"),
    "isalnum()": ("'a'.isalnum()", "all([c.isalpha() or c.isdigit() for c in 'a1'])"),
    "isascii()": ("'a'.isascii()", "assert max('a'.encode()) < 128"),
    "isdecimal()": ("'1'.isdecimal()", "'1'.isdigit()"),
    "isidentifier()": ("'a'.isidentifier()", "all([c.isalpha() or c == '_' for c in 'a'])"),
    "isnumeric()": ("'1'.isnumeric()", "'1'.isdigit()"),
    "isprintable()": ("'a'.isprintable()", "assert min('a') >= ' '"),
    "istitle()": ("'A'.istitle()", "'A'[0].isupper()"),
    "ljust()": ("'a'.ljust(5)", "'%-5s' % 'a'"),
    "maketrans()": ("str.maketrans('a', 'b')", "'a'.replace('a', 'b')"),
    "removeprefix()": (
        "'ab'.removeprefix('a')",
        "t, prefix = 'ab', 'a'\nif t.startswith(prefix): t = t[len(prefix):]\nassert t == 'b'",
    ),
    "removesuffix()": (
        "'ab'.removesuffix('b')",
        "t, suffix = 'ab', 'b'\nif t.endswith(suffix): t = t[:-len(suffix)]\nassert t == 'a'",
    ),
    "rjust()": ("'a'.rjust(5)", "'%5s' % 'a'"),
    "swapcase()": ("'a'.swapcase()", "''.join([c.lower() if c.isupper() else c.upper() for c in 'aB'])"),
    "title()": ("'a'.title()", "'a'.upper()"),
    "translate()": ("'a'.translate({97: 98})", "'a'.replace('a', 'b')"),
    "zfill()": ("'5'.zfill(3)", "assert '%03d' % 5 == '005'"),
    "partition()": ("'a=b'.partition('=')", "s = 'a=b'\ni = s.find('=')\nassert (s[:i], s[i + 1:]) == ('a', 'b')"),
    "rpartition()": ("'a=b'.rpartition('=')", "s = 'a=b'\ni = s.rfind('=')\nassert s[i + 1:] == 'b'"),
    "splitlines()": (r"'a\nb'.splitlines()", r"'a\nb'.split('\n')"),
    "center()": ("'a'.center(5)", "'{:^5}'.format('a')"),
    "bit_length()": ("(5).bit_length()", "assert len(bin(5)) - 2 == 3"),
    "bit_count()": ("(5).bit_count()", "assert bin(5).count('1') == 2"),
    "is_integer()": ("(5.0).is_integer()", "assert 5.0 == int(5.0)"),
    "as_integer_ratio()": ("(0.5).as_integer_ratio()", "assert int(0.5 * 1000) == 500"),
    "tobytes()": ("memoryview(b'a').tobytes()", "bytes(memoryview(b'a'))"),
    "tolist()": ("memoryview(b'a').tolist()", "list(memoryview(b'a'))"),
    "hexdigest()": (
        "import hashlib\nh = hashlib.new('sha256', b'').hexdigest()",
        "import binascii\ndigest = b'\\1'\nbinascii.hexlify(digest).decode()",
    ),
    "findall()": (
        "import re\nre.compile('a').findall('aa')",
        "import re\nfound = []\nre.sub('a', lambda m: found.append(m.group(0)) or '', 'aba')\n"
        "assert found == ['a', 'a']",
    ),
    "finditer()": (
        "import re\nre.compile('a').finditer('aa')",
        "import re\nfound = []\nre.sub('a', lambda m: found.append(m.group(0)) or '', 'aba')",
    ),
    "fullmatch()": ("import re\nre.compile('a').fullmatch('a')", "import re\nre.compile('a$').match('a')"),
    "subn()": (
        "import re\nre.compile('a').subn('b', 'aa')",
        "import re\nfound = []\nre.sub('a', lambda m: found.append(1) or 'b', 'aa')\nassert len(found) == 2",
    ),
    "groupdict()": (MATCH + "m.groupdict()", MATCH + "{'name': m.group(1)}"),
    "groups()": (MATCH + "m.groups()", MATCH + "assert (m.group(1), m.group(2)) == ('a', 'b')"),
    "span()": (MATCH + "m.span()", MATCH + "'ab'.find(m.group(0))"),
    "writelines()": (
        "with open('/dev/null', 'w') as f: f.writelines(['a'])",
        "import io\nf = io.StringIO()\nfor line in ['a']: f.write(line)",
    ),
    "truncate()": ("import io\nio.BytesIO(b'a').truncate(0)", "import io\nio.BytesIO()"),
    "getbuffer()": ("import io\nio.BytesIO(b'a').getbuffer()", "import io\nio.BytesIO(b'a').getvalue()"),
    "move_to_end()": (
        "from collections import OrderedDict\nd = OrderedDict([(1, 2), (3, 4)])\nd.move_to_end(1)",
        "from collections import OrderedDict\nd = OrderedDict([(1, 2), (3, 4)])\nd[1] = d.pop(1)\n"
        "assert list(d) == [3, 1]",
    ),
    "_asdict()": (
        "from collections import namedtuple\nP = namedtuple('P', ('x',))\nP(1)._asdict()",
        "from collections import namedtuple\nP = namedtuple('P', ('x',))\n{'x': P(1).x}",
    ),
    "_replace()": (
        "from collections import namedtuple\nP = namedtuple('P', ('x',))\nP(1)._replace(x=2)",
        "from collections import namedtuple\nP = namedtuple('P', ('x',))\nP(2)",
    ),
    "rotate()": (DEQUE + "d.rotate(-1)", DEQUE + "d.append(d.popleft())\nassert list(d) == [2, 1]"),
    "extendleft()": (DEQUE + "d.extendleft([0])", DEQUE + "for x in [0]: d.appendleft(x)"),
    "with_traceback()": ("ValueError().with_traceback(None)", "ValueError()"),
    "add_note()": ("ValueError().add_note('x')", "ValueError('x')"),
    "add_done_callback()": (
        "import asyncio\nasync def g(): pass\nasync def f():\n    t = asyncio.create_task(g())\n"
        "    t.add_done_callback(print)\n    t.remove_done_callback(print)\nasyncio.run(f())",
        "import asyncio\nasync def g(): pass\nasync def f(): await asyncio.create_task(g())\nasyncio.run(f())",
    ),
    "call_later()": (
        "import asyncio\nasync def f(): asyncio.get_event_loop().call_later(0, id, 1)\nasyncio.run(f())",
        "import asyncio\nasync def g(): await asyncio.sleep(0)\n"
        "async def f(): await asyncio.create_task(g())\nasyncio.run(f())",
    ),
    "call_soon()": (
        "import asyncio\nasync def f(): asyncio.get_event_loop().call_soon(id, 1)\nasyncio.run(f())",
        "import asyncio\nasync def g(): pass\nasync def f(): await asyncio.create_task(g())\nasyncio.run(f())",
    ),
    "run_in_executor()": (
        "import asyncio\nasync def f(): await asyncio.get_event_loop().run_in_executor(None, id, 1)\nasyncio.run(f())",
        "import asyncio\nasync def f(): id(1)\nasyncio.run(f())",
    ),
    # methods of one class
    "bytearray.pop()": (BYTES + "b.pop()", BYTES + "n = b[-1]\nb[-1:] = b''\nassert n == 99 and b == b'ab'"),
    "bytearray.clear()": (BYTES + "b.clear()", BYTES + "b[:] = b''\nassert not b"),
    "bytearray.insert()": (BYTES + "b.insert(0, 1)", BYTES + "b[1:1] = b'x'\nassert b == b'axbc'"),
    "bytearray.remove()": (BYTES + "b.remove(98)", BYTES + "n = b.find(b'b')\nb[n:n + 1] = b''\nassert b == b'ac'"),
    "bytearray.reverse()": (BYTES + "b.reverse()", BYTES + "assert bytearray(reversed(b)) == b'cba'"),
    "bytearray.copy()": (BYTES + "b.copy()", BYTES + "c = b[:]\nc[0] = 1\nassert b == b'abc'"),
    "memoryview.release()": ("m = memoryview(b'a')\nm.release()", "m = memoryview(b'a')"),
    "memoryview.cast()": (
        "m = memoryview(b'abcd')\nm.cast('i')",
        "import struct\nstruct.unpack_from('i', memoryview(b'abcd'))",
    ),
    "deque.clear()": (DEQUE + "d.clear()", DEQUE + "while d: d.popleft()"),
    "deque.copy()": (DEQUE + "d.copy()", DEQUE + "e = deque(list(d), 5)"),
    "deque.count()": (DEQUE + "d.count(1)", DEQUE + "list(d).count(1)"),
    "deque.index()": (DEQUE + "d.index(1)", DEQUE + "list(d).index(1)"),
    "deque.insert()": (DEQUE + "d.insert(0, 1)", "d = [1]\nd.insert(0, 1)"),
    "deque.remove()": (DEQUE + "d.remove(1)", "d = [1]\nd.remove(1)"),
    "deque.reverse()": (DEQUE + "d.reverse()", DEQUE + "assert list(reversed(d)) == [2, 1]"),
    "array.count()": (ARRAY + "a.count(1)", ARRAY + "list(a).count(1)"),
    "array.index()": (ARRAY + "a.index(1)", ARRAY + "list(a).index(1)"),
    "array.insert()": (ARRAY + "a.insert(0, 1)", ARRAY + "a = array('i', [0]) + a"),
    "array.pop()": (ARRAY + "a.pop()", ARRAY + "a = a[:-1]"),
    "array.remove()": (ARRAY + "a.remove(1)", ARRAY + "a = a[1:]"),
    "array.reverse()": (ARRAY + "a.reverse()", ARRAY + "a = array('i', list(reversed(a)))"),
    "start() of a match": (MATCH + "m.start()", MATCH + "'ab'.find(m.group(0))"),
    "end() of a match": (MATCH + "m.end()", MATCH + "'ab'.find(m.group(0)) + len(m.group(0))"),
    "expand() of a match": (MATCH + r"m.expand('\\1')", MATCH + "m.group(1)"),
    **{name + "() of a socket": (SOCKET + "s." + name, SOCKET + "s.recv") for name in dialect_rules._NO_SOCKET},
    "fileno() of a socket": (SOCKET + "s.fileno()", SOCKET),
    "fileno() of a pool's socket": (POOL + "s.fileno()", POOL + "s.close()"),
    "recv() of a pool's socket": (POOL + "s.recv(1)", POOL + "s.recv_into(bytearray(1))"),
    "makefile() of a pool's socket": (POOL + "s.makefile()", POOL + "s.recv_into(bytearray(1))"),
    "shutdown() of a pool's socket": (POOL + "s.shutdown(2)", POOL + "s.close()"),
    "getpeername() of a pool's socket": (POOL + "s.getpeername()", POOL + "s, peer = s.accept()"),
    "listen() without a backlog": (POOL + "s.listen()", POOL + "s.listen(4)"),
    # attributes
    "__doc__": ("class A:\n    'text'\nassert A.__doc__ == 'text'", "class A:\n    text = 'text'\nA.text"),
    "__code__": ("def f(): pass\nf.__code__", "def f(): pass\nf.__name__"),
    "__defaults__": ("def f(): pass\nf.__defaults__", "def f(): pass"),
    "__annotations__": ("class A:\n    x: int\nA.__annotations__", "TYPES = {'x': int}"),
    "__wrapped__": (
        "import functools\ndef f(): pass\n@functools.wraps(f)\ndef g(): pass\ng.__wrapped__",
        "def f(): pass\ndef g(): return f()",
    ),
    "__self__": ("class A:\n    def f(self): pass\nA().f.__self__", "class A:\n    def f(self): return self\nA().f()"),
    "__func__": ("class A:\n    def f(self): pass\nA().f.__func__", "class A:\n    def f(self): pass\nA.f"),
    "__mro__": ("class A: pass\nA.__mro__", "class A: pass\nA.__bases__"),
    "__traceback__": (
        "try: 1 / 0\nexcept Exception as e: e.__traceback__",
        "try: 1 / 0\nexcept Exception as e: str(e)",
    ),
    "__cause__": ("try: 1 / 0\nexcept Exception as e: e.__cause__", "try: 1 / 0\nexcept Exception as e: str(e)"),
    "__context__": ("try: 1 / 0\nexcept Exception as e: e.__context__", "try: 1 / 0\nexcept Exception as e: str(e)"),
    "strerror": ("OSError(2, 'x').strerror", "str(OSError(2, 'x'))"),
    "nbytes": ("memoryview(b'a').nbytes", "len(memoryview(b'a'))"),
    "itemsize": (ARRAY + "a.itemsize", "import struct\nstruct.calcsize('i')"),
    "lastindex": (MATCH + "m.lastindex", MATCH + "m.group(2)"),
    "_fields": (
        "from collections import namedtuple\nnamedtuple('P', ('x',))._fields",
        "from collections import namedtuple\nFIELDS = ('x',)\nnamedtuple('P', FIELDS)",
    ),
    "st_size": (STAT + "os.stat(path).st_size", STAT + "os.stat(path)[6]"),
    "st_mtime": (STAT + "os.stat(path).st_mtime", STAT + "os.stat(path)[8]"),
    "st_mode": (STAT + "os.stat(path).st_mode", STAT + "os.stat(path)[0]"),
    "tm_year": (TIME + "time.localtime().tm_year", TIME + "assert time.localtime()[0] > 1999"),
    "tm_mon": (TIME + "time.localtime().tm_mon", TIME + "assert 1 <= time.localtime()[1] <= 12"),
    "tm_mday": (TIME + "time.localtime().tm_mday", TIME + "assert 1 <= time.localtime()[2] <= 31"),
    "tm_hour": (TIME + "time.localtime().tm_hour", TIME + "assert time.localtime()[3] < 24"),
    "tm_min": (TIME + "time.localtime().tm_min", TIME + "assert time.localtime()[4] < 60"),
    "tm_sec": (TIME + "time.localtime().tm_sec", TIME + "assert time.localtime()[5] < 62"),
    "tm_wday": (TIME + "time.localtime().tm_wday", TIME + "assert time.localtime()[6] < 7"),
    "tm_yday": (TIME + "time.localtime().tm_yday", TIME + "assert 1 <= time.localtime()[7] <= 366"),
    # special methods
    "__init_subclass__": (
        "seen = []\nclass A:\n    def __init_subclass__(cls): seen.append(cls)\nclass B(A): pass\nassert seen == [B]",
        "seen = []\nclass A: pass\nclass B(A): pass\nseen.append(B)",
    ),
    "__set_name__": (
        "class A:\n    def __set_name__(self, owner, name): self.name = name\nclass B: a = A()\nassert B.a.name == 'a'",
        "class A:\n    def __init__(self, name): self.name = name\nclass B: a = A('a')\nassert B.a.name == 'a'",
    ),
    "__class_getitem__": (
        "class A:\n    def __class_getitem__(cls, x): return x\nassert A[1] == 1",
        "class A:\n    @classmethod\n    def of(cls, x): return x\nassert A.of(1) == 1",
    ),
    "__getattribute__": (
        "class A:\n    def __getattribute__(self, name): return 5\nassert A().x == 5",
        "class A:\n    def __getattr__(self, name): return 5\nassert A().x == 5",
    ),
    "__setattr__": (
        "class A:\n    def __setattr__(self, name, x): object.__setattr__(self, name, 5)\n"
        "a = A()\na.x = 1\nassert a.x == 5",
        "class A:\n    @property\n    def x(self): return 5\n    @x.setter\n    def x(self, x): pass\n"
        "a = A()\na.x = 1\nassert a.x == 5",
    ),
    "__delattr__": (
        "class A:\n    def __delattr__(self, name): pass\na = A()\ndel a.x",
        "class A:\n    def drop(self, name): pass\na = A()\na.drop('x')",
    ),
    "__format__": (
        "class A:\n    def __format__(self, spec): return 'x'\nassert f'{A()}' == 'x'",
        "class A:\n    def text(self): return 'x'\na = A()\nassert f'{a.text()}' == 'x'",
    ),
    "__index__": (
        "class A:\n    def __index__(self): return 1\nassert [1, 2][A()] == 2",
        "class A:\n    def __int__(self): return 1\nassert [1, 2][int(A())] == 2",
    ),
    "__round__": (
        "class A:\n    def __round__(self): return 1\nassert round(A()) == 1",
        "class A:\n    def rounded(self): return 1\nassert A().rounded() == 1",
    ),
    "__bytes__": (
        "class A:\n    def __bytes__(self): return b'x'\nassert bytes(A()) == b'x'",
        "class A:\n    def to_bytes(self): return b'x'\nassert A().to_bytes() == b'x'",
    ),
    "__missing__": (
        "class A(dict):\n    def __missing__(self, key): return 5\nassert A()[1] == 5",
        "class A(dict):\n    def __getitem__(self, key): return self.get(key, 5)\nassert A()[1] == 5",
    ),
    "__del__": (
        "import gc\nseen = []\nclass A:\n    def __del__(self): seen.append(1)\ndef f():\n    for _ in range(9): A()\n"
        "f()\nf()\ngc.collect()\nassert seen",
        "class A:\n    def close(self): pass\nA().close()",
    ),
    # keywords
    "print(flush=…)": ("print(end='', flush=True)", "print(end='')"),
    "open(newline=…)": ("open('/dev/null', 'w', newline='').close()", "open('/dev/null', 'w').close()"),
    "open(errors=…)": ("open('/dev/null', 'w', errors='ignore').close()", "open('/dev/null', 'w').close()"),
    "int(base=…)": ("int('f', base=16)", "int('f', 16)"),
    "round(ndigits=…)": ("round(1.25, ndigits=1)", "round(1.25, 1)"),
    "sum(start=…)": ("sum([1], start=1)", "sum([1], 1)"),
    "zip(strict=…)": ("zip([1], [2], strict=True)", "zip([1], [2])"),
    "str(…=…)": ("str(b'a', encoding='utf-8')", "str(b'a', 'utf-8')"),
    "bytes(…=…)": ("bytes('a', encoding='utf-8')", "bytes('a', 'utf-8')"),
    "bytearray(…=…)": ("bytearray('a', encoding='utf-8')", "bytearray('a', 'utf-8')"),
    "split(maxsplit=…)": ("'a b c'.split(maxsplit=1)", "'a b c'.split(None, 1)"),
    "split(sep=…)": ("'a b c'.split(sep=' ')", "'a b c'.split(' ')"),
    "rsplit(maxsplit=…)": ("'a b c'.rsplit(maxsplit=1)", "assert 'a b c'.rsplit(' ', 1) == ['a b', 'c']"),
    "rsplit(sep=…)": ("'a b c'.rsplit(sep=' ')", "'a b c'.rsplit(' ')"),
    "encode(…=…)": ("'a'.encode(encoding='utf-8')", "'a'.encode()"),
    "decode(…=…)": ("b'a'.decode(encoding='utf-8')", "b'a'.decode()"),
    "replace(count=…)": ("'aa'.replace('a', 'b', count=1)", "'aa'.replace('a', 'b', 1)"),
    "hex(sep=…)": ("b'ab'.hex(sep=':')", "b'ab'.hex(':')"),
    "sub(count=…)": (
        "import re\nre.compile('a').sub('b', 'aa', count=1)",
        "import re\nre.compile('a').sub('b', 'aa', 1)",
    ),
    "popitem(last=…)": (
        "from collections import OrderedDict\nOrderedDict([(1, 2)]).popitem(last=False)",
        "from collections import OrderedDict\nd = OrderedDict([(1, 2)])\nd.pop(next(iter(d)))",
    ),
    "to_bytes(length=…)": ("(1).to_bytes(length=2, byteorder='big')", "(1).to_bytes(2, 'big')"),
    "to_bytes(byteorder=…)": ("(1).to_bytes(2, byteorder='big')", "(1).to_bytes(2, 'big')"),
    "to_bytes(signed=…)": ("(-1).to_bytes(2, 'big', signed=True)", "import struct\nstruct.pack('>h', -1)"),
    "from_bytes(byteorder=…)": ("int.from_bytes(b'a', byteorder='big')", "int.from_bytes(b'a', 'big')"),
    "from_bytes(signed=…)": (
        "int.from_bytes(b'aa', 'big', signed=True)",
        "import struct\nstruct.unpack('>h', b'aa')",
    ),
    "json.dumps(indent=…)": ("import json\njson.dumps([], indent=1)", "import json\njson.dumps([])"),
    "json.dumps(sort_keys=…)": (
        "import json\njson.dumps({}, sort_keys=True)",
        "import json\nfrom collections import OrderedDict\n"
        "assert json.dumps(OrderedDict(sorted({'b': 1, 'a': 2}.items()))) == '{\"a\": 2, \"b\": 1}'",
    ),
    "json.dumps(default=…)": ("import json\njson.dumps([], default=str)", "import json\njson.dumps([str(1)])"),
    "json.dumps(ensure_ascii=…)": ("import json\njson.dumps([], ensure_ascii=False)", "import json\njson.dumps([])"),
    "json.dumps(cls=…)": ("import json\njson.dumps([], cls=None)", "import json\njson.dumps([])"),
    "json.loads(…=…)": ("import json\njson.loads('1', parse_int=str)", "import json\nstr(json.loads('1'))"),
    "re.compile(…=…)": ("import re\nre.compile('a', flags=0)", "import re\nre.compile('a')"),
    "re.match(…=…)": ("import re\nre.match('a', string='a')", "import re\nre.match('a', 'a')"),
    "re.search(…=…)": ("import re\nre.search('a', string='a')", "import re\nre.search('a', 'a')"),
    "re.sub(…=…)": ("import re\nre.sub('a', 'b', 'aa', count=1)", "import re\nre.compile('a').sub('b', 'aa', 1)"),
    "os.listdir(…=…)": ("import os\nos.listdir(path='.')", "import os\nos.listdir('.')"),
    "os.mkdir(…=…)": (
        "import os\ntry: os.mkdir('.', mode=0)\nexcept OSError: pass",
        "import os\ntry: os.mkdir('.')\nexcept OSError: pass",
    ),
    "struct.unpack_from(…=…)": (
        "import struct\nstruct.unpack_from('B', b'ab', offset=1)",
        "import struct\nstruct.unpack_from('B', b'ab', 1)",
    ),
    "random.randint(…=…)": ("import random\nrandom.randint(a=1, b=2)", "import random\nrandom.getrandbits(1) + 1"),
    "namedtuple(…=…)": (
        "from collections import namedtuple\nnamedtuple('P', ('x',), defaults=(1,))",
        "from collections import namedtuple\nnamedtuple('P', ('x',))",
    ),
    "asyncio.create_task(…=…)": (
        "import asyncio\nasync def g(): pass\n"
        "async def f(): await asyncio.create_task(g(), name='g')\nasyncio.run(f())",
        "import asyncio\nasync def g(): pass\nasync def f(): await asyncio.create_task(g())\nasyncio.run(f())",
    ),
    "asyncio.run(…=…)": (
        "import asyncio\nasync def f(): pass\nasyncio.run(f(), debug=False)",
        "import asyncio\nasync def f(): pass\nasyncio.run(f())",
    ),
    "binascii.a2b_base64(…=…)": (
        "import binascii\nbinascii.a2b_base64(b'YQ==', strict_mode=True)",
        "import binascii\nbinascii.a2b_base64(b'YQ==')",
    ),
    # calls
    "deque() without both iterable and length": (
        "from collections import deque\nd = deque()",
        "from collections import deque\nd = deque((), 100)",
    ),
    "group() without exactly one number": (MATCH + "m.group()", MATCH + "m.group(0)"),
    "iter() of a function": ("iter(lambda: 1, 1)", "while True: break"),
    "next() with a default": (
        "assert next(iter([]), 5) == 5",
        "def first(items):\n    for item in items: return item\n    return 5\nassert first([]) == 5",
    ),
    "pow() with three arguments": ("pow(2, 5, 7)", "n = 1\nfor _ in range(5): n = n * 2 % 7\nassert n == 4"),
    "slice()": ("s = slice(1, 2)", "a, b = 1, 2\n'abc'[a:b]"),
    "rsplit(None, …)": ("'a b c'.rsplit(None, 1)", "'a b c'.rsplit(' ', 1)"),
    "os.mkdir() with a mode": (
        "import os\ntry: os.mkdir('.', 0)\nexcept OSError: pass",
        "import os\ntry: os.mkdir('.')\nexcept OSError: pass",
    ),
}
VERSIONS = {  # of CPython that have what an example shows
    "except*": (3, 11),
    "a*+ in a pattern": (3, 11),
    "add_note()": (3, 11),
    "binascii.a2b_base64(…=…)": (3, 11),
    "type statement or type parameters": (3, 12),
    "replace(count=…)": (3, 13),
}

# What stands in the place of modules and names that are missing: these run everywhere but where the name is missing
# that they use.
HINTS = {
    "base64": "import binascii\nassert binascii.b2a_base64(b'a') == b'YQ==\\n'\nbinascii.a2b_base64(b'YQ==')",
    "contextlib": "class A:\n    def __enter__(self): pass\n    def __exit__(self, *details): pass\nwith A(): pass",
    "copy": "list([1]), dict({1: 2})",
    "functools": "def partial(f, a):\n    def g(b): return f(a, b)\n    return g\npartial(divmod, 7)(2)",
    "itertools": "def count():\n    n = 0\n    while True:\n        yield n\n        n += 1\nnext(count())",
    "os.path": "import os\ntry: os.stat('no' + '/' + 'file')\nexcept OSError: pass",
    "typing": "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\ndef f(x: 'Any'): pass",
    "binascii.Error": "import binascii\ntry: binascii.unhexlify('0')\nexcept ValueError: pass",
    "collections.Counter": "counts = {}\nfor x in 'aa': counts[x] = counts.get(x, 0) + 1\nassert counts['a'] == 2",
    "collections.defaultdict": "d = {}\nd.setdefault('a', []).append(1)",
    "json.JSONDecodeError": "import json\ntry: json.loads('x')\nexcept ValueError: pass",
    "math.hypot": "import math\nassert math.sqrt(3 * 3 + 4 * 4) == 5",
    "math.inf": "assert float('inf') > 1",
    "math.nan": "assert float('nan') != float('nan')",
    "random.choice": "import random\nitems = [1, 2]\nitems[random.getrandbits(8) % len(items)]",
    "random.random": "import random\nassert 0 <= random.getrandbits(16) / 65536 < 1",
    "re.error": "import re\ntry: re.compile('(')\nexcept Exception: pass",
    "re.split": "import re\nassert re.compile(',').split('a,b') == ['a', 'b']",
    "struct.error": "import struct\ntry: struct.calcsize('/')\nexcept Exception: pass",
    "time.strftime": "import time\n'%02d:%02d' % time.localtime()[3:5]",
    "uuid": "import binascii, os\nbinascii.hexlify(os.urandom(16))",
}


def every_rule():
    for table in (
        dialect_rules.SYNTAX,
        dialect_rules.METHODS,
        dialect_rules.OF_CLASS,
        dialect_rules.ATTRIBUTES,
        dialect_rules.SPECIAL,
        dialect_rules.CALLS,
        *dialect_rules.KEYWORDS.values(),
    ):
        yield from table.values()


RULES = {rule.what: rule for rule in every_rule()}
IN_F_STRING = dialect_rules.SYNTAX["f-string expression"].what


def whats(program, *targets, **options):
    return [finding.what for finding in dialect.check(program.encode(), targets or TARGETS, **options)]


def places(program, *targets):
    return [(finding.line, finding.column) for finding in dialect.check(program.encode(), targets or TARGETS)]


# -- the rules, and what MicroPython says to them --------------------------------------------------------------

ASK = """
import json, sys

for program in json.load(open(sys.argv[1])):
    try:
        exec(program, {"__name__": "example"})
        answer = None
    except Exception as error:
        answer = repr(error)
    print("answer", json.dumps(answer))
"""


@pytest.fixture(scope="module")
def ask(micropython, tmp_path_factory):
    """Runs programs on a real MicroPython; returns for each the exception that it raises, or None."""
    folder = tmp_path_factory.mktemp("ask")
    (folder / "ask.py").write_text(ASK)

    def ask(programs):
        (folder / "programs").write_text(json.dumps(programs))
        done = subprocess.run(
            [micropython, folder / "ask.py", folder / "programs"], stdin=subprocess.DEVNULL, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line[7:]) for line in done.stdout.decode().splitlines() if line.startswith("answer ")]
        assert len(answers) == len(programs)
        return answers

    return ask


def test_each_rule_has_an_example():
    assert EXAMPLES.keys() == RULES.keys()


def test_bad_examples_fail_on_micropython_where_the_rule_says_so(ask):
    answers = ask([bad for bad, _ in EXAMPLES.values()])
    # What has a source of its own holds on a target whose MicroPython has less than the one that is asked here.
    wrong = {
        what: answer
        for what, answer in zip(EXAMPLES, answers, strict=True)
        if (answer is None) != bool(RULES[what].source)
    }
    assert not wrong


def test_rules_that_esp32_is_free_of_need_a_source():
    assert all("esp32" in rule.on or rule.source for rule in RULES.values())


def test_what_to_write_instead_runs_on_micropython(ask):
    programs = {**{what: good for what, (_, good) in EXAMPLES.items()}, **HINTS}
    answers = ask([*programs.values()])
    assert not {what: answer for what, answer in zip(programs, answers, strict=True) if answer}


@pytest.mark.parametrize("what", EXAMPLES)
def test_examples_run_on_cpython(what):
    bad, good = EXAMPLES[what]
    exec(compile(good, what, "exec", dont_inherit=True), {"__name__": "example"})
    if sys.version_info >= VERSIONS.get(what, (3, 10)):
        exec(compile(bad, what, "exec", dont_inherit=True), {"__name__": "example"})


@pytest.mark.parametrize("what", EXAMPLES)
def test_rule_is_applied_to_its_targets_alone(what):
    bad, good = EXAMPLES[what]
    if sys.version_info >= VERSIONS.get(what, (3, 10)):
        assert [target for target in TARGETS if what in whats(bad, target)] == [*RULES[what].on]
    assert whats(good, *RULES[what].on) == []


@pytest.mark.parametrize("what", HINTS)
def test_hints_are_followed_without_complaint(what):
    assert what in dialect_rules.MODULE_HINTS
    lacking = [target for target in TARGETS if what not in names_of(target)]
    assert lacking
    assert whats(HINTS[what], *lacking) == []
    exec(compile(HINTS[what], what, "exec", dont_inherit=True), {"__name__": "example"})


def names_of(target):
    """The modules of a target, and their names."""
    modules = dialect_rules.MODULES[target]
    return {*modules, *(f"{module}.{name}" for module, names in modules.items() for name in names.split())}


def test_hints_are_for_what_is_missing():
    everywhere = set.intersection(*(names_of(target) for target in TARGETS))
    assert not everywhere & dialect_rules.MODULE_HINTS.keys()
    assert not frozenset.intersection(*dialect_rules.BUILTINS.values()) & dialect_rules.BUILTIN_HINTS.keys()


# What the unix build has besides a board, and the other way round.
UNIX_HAS = {
    "os": {"VfsLfs1", "VfsPosix", "errno", "getenv", "putenv", "system", "unsetenv"},
    "sys": {"atexit", "exc_info", "executable"},
    "socket": {"AF_UNIX", "MSG_DONTROUTE", "MSG_DONTWAIT", "SO_ERROR", "SO_KEEPALIVE", "SO_LINGER"}
    | {"inet_ntop", "inet_pton", "sockaddr"},
    "time": {"clock"},
    "asyncio": {"IOQueue", "SingletonGenerator", "TaskQueue", "core", "cur_task", "event", "funcs", "lock", "select"}
    | {"stream", "sys", "ticks", "ticks_add", "ticks_diff"},
}
BOARDS_HAVE = {
    "os": {"dupterm", "dupterm_notify", "sync", "uname"},
    "select": {"select"},
    "socket": {"IPPROTO_IP", "IPPROTO_TCP", "IP_ADD_MEMBERSHIP", "TCP_NODELAY"},
}


def test_modules_have_the_names_that_micropython_says(ask):
    modules = {name: names for name, names in dialect_rules.MODULES["esp32"].items() if names}
    answers = ask(
        [
            f"import {name}\nfor each in {names.split()!r}: hasattr({name}, each)\nraise ValueError(dir({name}))"
            for name, names in modules.items()
        ]
    )
    for (name, names), answer in zip(modules.items(), answers, strict=True):
        assert answer.startswith("ValueError(["), f"{name}: {answer}"
        has = {each for each in answer.split("'") if each.isidentifier() and not each.startswith("_")}
        assert has - UNIX_HAS.get(name, set()) == {*names.split()} - BOARDS_HAVE.get(name, set()), name


def test_modules_that_micropython_lacks_cannot_be_imported(ask):
    lacking = sorted(
        name
        for name in {*dialect_rules.MODULE_HINTS, *dialect_rules.MODULES["circuitpython"]}
        if name.partition(".")[0] not in dialect_rules.MODULES["esp32"]
    )
    assert all(answer and answer.startswith("ImportError") for answer in ask([f"import {name}" for name in lacking]))


def test_builtin_names_are_those_that_micropython_has(ask):
    known = {name for name in dir(builtins) if name != "_"}
    answers = dict(zip(known, ask([f"x = {name}" for name in known]), strict=True))
    # An example is no module: it has no __file__.
    assert {name for name in known if not answers[name]} == known & dialect_rules.BUILTINS["esp32"]


CLASSES = ("bytearray", "bytes", "dict", "float", "frozenset", "int", "list", "memoryview", "set", "str", "tuple")
# Too frequent a name, or too rare, to be reported on anything.
UNSEEN = {"conjugate", "denominator", "fromhex", "hex", "imag", "numerator", "real", "format", "index", "find"} | {
    "c_contiguous", "contiguous", "f_contiguous", "ndim", "obj", "readonly", "shape", "strides", "suboffsets",
    "toreadonly", "count", "cast", "release", "from_number",
}  # fmt: skip


def test_methods_that_micropython_lacks_are_known(ask):
    questions = [(each, name) for each in CLASSES for name in dir(getattr(builtins, each)) if not name.startswith("_")]
    answers = ask([f"{each}.{name}" for each, name in questions])
    lacking = {question for question, answer in zip(questions, answers, strict=True) if answer}
    known = {*dialect_rules.METHODS, *dialect_rules.ATTRIBUTES}
    assert not {
        (each, name)
        for each, name in lacking
        if name not in known | UNSEEN and f"{each}.{name}" not in dialect_rules.OF_CLASS
    }


def test_special_methods_of_built_in_classes_are_those_that_micropython_has(ask):
    for each in (*CLASSES, "object", "Exception", "type"):
        special = [name for name in dir(getattr(builtins, each)) if name.startswith("__")]
        answers = zip(special, ask([f"{each}.{name}" for name in special]), strict=True)
        has = {name for name, answer in answers if not answer}
        known = dialect_rules.BUILTIN_SPECIAL[""] | dialect_rules.BUILTIN_SPECIAL.get(each, set())
        assert has <= known, each
        assert has >= known & {*special}, each


# -- what is reported, and what not ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("x = a.partition(b)", [(1, 7)]),
        ("ä = 'ä'; x = ä.partition('ä')", [(1, 16)]),
        ("x = (a\n     .strip()\n     .partition(b))", [(3, 7)]),
        ("x = f'{a.partition(b)}'", [(1, 5)]),
        ("x = 1\r\ny = a.partition(b)\r\n", [(2, 7)]),
        ("x = '\x0c'\ny = a.partition(b)", [(2, 7)]),
        ("\ufeffx = a.partition(b)", [(1, 7)]),
        ("# coding: latin-1\nx = a.partition(b)", [(2, 7)]),
        ("def f(a,\n      b, /): pass", [(1, 7)]),
        ("if x:\n    with (a as b,\n          c as d): pass", [(2, 5)]),
    ],
)
def test_place_is_that_of_what_does_not_work(program, expected):
    assert places(program, "esp8266") == expected


def test_a_finding_names_all_targets_and_stands_once():
    (finding,) = dialect.check(b"x = R'a'")
    assert finding.targets == TARGETS
    everywhere = "1:5: not on esp8266, esp32, rp2, circuitpython: "
    assert str(finding) == everywhere + "upper-case string prefix; write it in lower case"


def test_findings_are_in_the_order_of_the_program():
    assert places("a[::2]\nx.title()\nb.partition(c)\n1j") == [(1, 1), (2, 3), (3, 3), (4, 1)]


@pytest.mark.parametrize(
    "guard",
    [
        "import sys\nif sys.implementation.name == 'cpython':\n    GUARDED",
        "import sys\nif sys.implementation.name in ('cpython', 'pypy'):\n    GUARDED",
        "import sys\nif sys.implementation.name != 'cpython': pass\nelse:\n    GUARDED",
        "import sys\nif sys.implementation.name not in ('cpython',): pass\nelse:\n    GUARDED",
        "import sys\nif not sys.implementation.name != 'cpython' and x:\n    GUARDED",
        "from sys import implementation\nif implementation.name == 'cpython':\n    GUARDED",
        "import sys\nPC = sys.implementation.name == 'cpython'\nif PC:\n    GUARDED",
        "import sys\ndef f():\n    if sys.implementation.name != 'cpython':\n        return\n    GUARDED",
        "import sys\nfor x in y:\n    if sys.implementation.name != 'cpython':\n        continue\n    GUARDED",
        "import sys\nif sys.platform == 'linux':\n    GUARDED",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    GUARDED",
        "if typing.TYPE_CHECKING:\n    GUARDED",
        "import sys\nif hasattr(sys, 'getsizeof'):\n    GUARDED",
        "if False:\n    GUARDED",
        "try:\n    GUARDED\nexcept ImportError: pass",
        "try:\n    GUARDED\nexcept (ValueError, ImportError): pass",
        "try:\n    GUARDED\nexcept Exception: pass",
        "try:\n    GUARDED\nexcept: pass",
    ],
)
def test_what_a_board_does_not_come_to_is_not_reported(guard):
    assert whats(guard.replace("GUARDED", "import logging"), "esp8266", "esp32") == []


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nif sys.implementation.name == 'micropython':\n    import logging",
        "import sys\nif sys.implementation.name != 'cpython':\n    import logging",
        "import sys\nif sys.implementation.name == name:\n    import logging",
        "import sys\nif sys.implementation.name == 'cpython' or x:\n    import logging",
        "import sys\nif sys.implementation.name == 'cpython': pass\nimport logging",
        "import sys\ndef f():\n    if sys.implementation.name == 'cpython':\n        return\n    import logging",
        "import sys\nPC = sys.implementation.name == 'cpython'\nPC = True\nif PC:\n    import logging",
        "import sys\nif sys.platform != 'linux':\n    import logging",
        "import sys\nif hasattr(sys, 'exit'):\n    import logging",
        "try: pass\nexcept ImportError:\n    import logging",
        "try: pass\nexcept ImportError: pass\nelse:\n    import logging",
        "try:\n    import logging\nexcept OSError: pass",
        "try:\n    def f():\n        import logging\nexcept ImportError: pass",
    ],
)
def test_what_a_board_does_come_to_is_reported(program):
    assert whats(program, "esp32") == ["import logging"]


def test_branches_are_chosen_target_by_target():
    program = "import sys\nif sys.implementation.name == 'circuitpython':\n    import machine\nelse:\n    import wifi"
    assert [finding[2:] for finding in dialect.check(program.encode())] == [
        ("import machine", "test sys.implementation.name or sys.platform before", ("circuitpython",)),
        ("import wifi", "test sys.implementation.name or sys.platform before", ("esp8266", "esp32", "rp2")),
    ]
    assert whats("import sys\nif sys.platform == 'esp32': '='.partition('=')", "esp8266", "esp32") == []


def test_a_pico_w_has_its_own_modules_and_regular_expressions():
    assert whats("import rp2\nimport re\nre.match('(a)', 'a').groups()", "rp2") == []
    assert whats("import rp2\nimport re\nre.match('(a)', 'a').groups()", "esp32") == ["import rp2", "groups()"]
    assert whats("import esp32\nimport esp\nimport wifi", "rp2") == ["import esp32", "import esp", "import wifi"]
    assert whats("import sys\nif sys.platform == 'esp32':\n    import esp32", "rp2") == []


def test_a_library_does_not_even_try_to_import_what_is_missing():
    assert whats("try: import logging\nexcept ImportError: pass", "esp32", tries=False) == ["import logging"]


def test_only_what_is_missing_is_forgiven_by_a_handler():
    assert whats("try: x = ConnectionError\nexcept NameError: x = OSError", "esp32") == []
    assert whats("import time\ntry: f = time.monotonic\nexcept AttributeError: f = None", "esp32") == []
    assert whats("try: 'a'.title()\nexcept Exception: pass", "esp32") == ["title()"]
    assert whats("try: x = ConnectionError\nexcept AttributeError: pass", "esp32") == ["ConnectionError"]


def test_modules():
    assert whats("import os.path", "esp32") == ["import os.path"]
    assert whats("from os import path", "esp32") == ["os.path"]
    assert whats("import os as o\no.path.join(a, b)", "esp32") == ["os.path"]
    assert whats("from json import dumps as d\nd(1, indent=2)", "esp32") == ["json.dumps(indent=…)"]
    assert whats("import logging.handlers", "esp32", beside={"logging"}) == []
    assert whats("import random", "esp32", beside={"random"}) == []
    assert whats("from . import logging\nimport webhal, neopixel, ssd1306", "esp32") == []
    assert whats("from os import *", "esp32") == []


@pytest.mark.parametrize(
    "program",
    [
        "def f(x: list[int], *, y: 'int | None' = None) -> dict[str, int]: pass",
        "x: list[int] = []\nclass A:\n    x: 'int | None'\n    y: list[int] = []",
        "a, *b = x\nfor c, *d in y: f(*a, *b, **c, **d)",
        "with (open(a)) as b, c: pass\nwith (a or b): pass\nwith f(a, b) as c: pass",
        "x[1:2]; x[:]; x[::1]; x[::None]; [1, 2][::2]; list(x)[::-1]; x.split()[::2]; range(9)[::2]",
        "items = [y for y in x]\nitems[::2]",
        "del x[1:2]\nitems = []\ndel items[0]",
        "f'{x}'; f'{x!r:>5}'; f'{x:>{y}}'; f'{d[\"a:b\"]}'; f'{x[1:2]}'; f'{x != y}'; f'{x}' f'{y}'; 'a' 'b{'",
        "f'{x}' 'no braces'; f'{x}', '{y}'",
        "class A:\n    def title(self): pass\nA().title()",
        "class A:\n    def f(self): return self.title() + super().title()",
        "import records\nrecords.title()\nfrom records import record\nrecord.title()",
        "page.title = 5\nprint(page.title)",
        "if hasattr(x, 'strerror'): x.strerror",
        "def format(x): pass\nformat(1)\nfor vars in x: print(vars)",
        "def f(ConnectionError): return ConnectionError",
        "def open(path, newline): pass\nopen(1, newline=2)",
        "class R:\n    def replace(self, count): pass\nR().replace(count=1)",
        "items = []\nitems.pop(); items.clear(); items.insert(0, 1)\nd = {}\nd.pop(1); lock.release(); thread.start()",
        "def f(buffer): buffer.pop()\ndef g():\n    buffer = bytearray(1)",
        "def f(): pass\nf = A()\nf.x = 1",
        "@decorated\ndef f(): pass\nf.x = 1",
        "class A: pass\nA.x = 1\nA.x.y = 2",
        "x.encode(); x.decode('utf-8'); x.decode('UTF8'); str(x, 'utf_8'); bytes(5); open(x, encoding='utf-8')",
        "x.decode(codec); x.encode('utf-8', 'strict'); encode(x, 'latin-1')",
        "import re\nre.match(r'^(\\d+)(?:a|b)*?[\\w.-]+\\.$', x); re.match('a{', x); re.match(r'a\\{2}', x)",
        "re.compile('a{2}')",
        "import re\nre.compile(pattern)",
        "'{a} {0} {:>5} {{x.y}}'.format(1); '{'.format(1)",
        "from collections import deque\ndeque(x, 5)\nimport mine\nmine.deque()",
        "next(x); pow(1, 2); iter(x); m.group(1); match.group(n)",
        "d.keys() == e; len(d); set(d.keys()) & e; x | y; x & y",
        "class A:\n    def __iter__(self): yield\n    def __await__(self): return self.__iter__()",
        "async def g(): yield 1\nx = g()",
        "async def f():\n    async with a as b: pass\n    async for c in d: await e\n    return [x for x in await g()]",
        "try: pass\nexcept (OSError, ValueError) as error: raise TypeError from error\nfinally: pass",
        "object.__init__(self); dict.fromkeys(x); int.from_bytes(b, 'big'); str.upper(x); type(x).__name__",
        "x.__dict__; x.__class__.__name__; f.__name__",
        "print(x, sep='', end='', file=y); sorted(x, key=f, reverse=True); max(x, default=0); enumerate(x, start=1)",
        "import json\njson.dumps(x, separators=(',', ':'))",
        "if (n := 5) > 3: pass\nx = [n := 1, n**2]",
        "import socket, errno\ns = socket.socket()\ns.recv(1); s.makefile(); s.listen(); s.send(b'x')",
        "import socket\ns = socket.socket()\nif hasattr(s, 'shutdown'): s.shutdown(2)",
        "x.errno == 2; x.errno in (1, 11); x.errno == errno.EIO; 98 == x.status; x.errno == y",
    ],
)
def test_no_false_alarm(program):
    assert [str(finding) for finding in dialect.check(program.encode(), ("esp8266", "esp32"))] == []


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("x = (*a, b)", "[*a], (*a, b) or {*a}"),
        ("def f(): return *a, b", "[*a], (*a, b) or {*a}"),
        ("for x in *a, b: pass", "[*a], (*a, b) or {*a}"),
        ("f([*a])", "[*a], (*a, b) or {*a}"),
        ("lambda a, /: a", "positional-only parameters"),
        ("class A(B, key=1): pass", "keyword in a class statement (metaclass=…)"),
        ("with (a as b): pass", "with (a as b, c as d):"),
        ("with (a, b): pass", "with (a as b, c as d):"),
        ("x[a:b:c]", "slice with a step, but of a list or range"),
        ("'abc'[::2]", "slice with a step, but of a list or range"),
        ("del x[::2]", "assignment to, or del of, a slice with a step"),
        ("self.b = bytearray(5)\nself.b.pop()", "bytearray.pop()"),
        ("import socket\nself.s = socket.socket()\nself.s.recv_into(b)", "recv_into() of a socket"),
        ("import re\nm = memoryview(x)\nre.sub('a', 'b', m)", "pattern on a bytearray or memoryview"),
        ("self.b = None\nself.b = bytearray(5)\ndel self.b[:2]", "del of items of a bytearray, array or deque"),
        ("map(str.title, x)", "title()"),
        ("x = f'{x:{(lambda: 1)()}}'", IN_F_STRING),
        ("x = f'{(y := 1)}'", IN_F_STRING),
        ("x = f'{f(\"}\")}'", IN_F_STRING),
        ("x = f'{f(\"{\")}'", IN_F_STRING),
        (
            "x = ('a{}'\n     # comment\n     f'{x}')",
            "f-string beside a string with braces, which are taken for fields",
        ),
        ("x = '{!a}'.format(1)", "!a in a format"),
        ("x = F'{a}'", "upper-case string prefix"),
        (r"x = f'\N{BULLET}{a}'", r"\N{…} in a string"),
        ("import re\nP = r'a{2}'\nre.compile(P)", "{m,n} in a pattern, which matches nothing"),
        ("from re import search\nsearch(b'a{,3}', x)", "{m,n} in a pattern, which matches nothing"),
        ("import re\nre.sub('[^]]', '', x)", "[]…] in a pattern"),
        ("import re\nre.sub(a, b, c, 1, re_flags)", "flags of a pattern, which are ignored"),
        ("x.decode('ascii')", "codec other than UTF-8, which is taken for UTF-8"),
        ("open(x, encoding='latin-1')", "codec other than UTF-8, which is taken for UTF-8"),
        (
            "class D(dict):\n    def __setitem__(self, k, v): dict.__setitem__(self, k, v)",
            "method of a built-in class called with self",
        ),
        ("self.__dict__.update(x)", "change of an instance's __dict__"),
        (
            "class A:\n    async def g(self): yield\n    async def f(self):\n        async for x in self.g(): pass",
            "async for over an async generator",
        ),
        ("x = __file__", "__file__"),
        ("exit()", "exit"),
        ("try: pass\nexcept ConnectionResetError: pass", "ConnectionResetError"),
        ("x = {'a'} - d.keys()", "set operation on keys() or items()"),
        ("x = None | int", "int | str outside of an annotation"),
        ("class A(list[int]): pass", "list[int] outside of an annotation"),
        ("object.__setattr__(x, 'a', 1)", "__setattr__"),
    ],
)
def test_other_forms_of_the_same(program, what):
    assert what in whats(program, "esp8266")


@pytest.mark.parametrize("test", ["x.errno == 112", "98 == x.errno", "x.errno in (11, 104)", "x.errno not in [110]"])
def test_numbers_of_errors_in_other_forms(test):
    assert whats(test, "esp32") == [dialect_rules.SYNTAX["error number"].what]


def test_a_comment_with_a_reason_excuses_its_line():
    assert whats("x.title()  # dialect: of my own\ny.title()", "esp32") == ["title()"]
    assert whats("x.title()  # noqa: E501  # dialect: of my own", "esp32") == []
    assert whats("x = '# dialect: no comment'.title()", "esp32") == ["title()"]
    (finding,) = dialect.check(b"x.title()  # dialect:", ["esp32"])
    assert finding.instead == "use upper() and lower(); or say why not, after `# dialect:`"


def test_what_cpython_cannot_read_is_refused():
    with pytest.raises(SyntaxError):
        dialect.check(b"x = (")
    with pytest.raises((SyntaxError, ValueError)):
        dialect.check(b"x = '\0'")


# -- the command line ------------------------------------------------------------------------------------------


@pytest.fixture
def webhal(capsys):
    """Runs the command line; returns exit code, standard output and standard error."""

    def webhal(*arguments):
        try:
            code = main(["check", *map(str, arguments)])
        except SystemExit as exit:
            code = exit.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return webhal


def test_command_says_what_does_not_work_and_fails(webhal, tmp_path):
    (tmp_path / "app.py").write_text("x.partition(y)\nz.title()\n")
    (tmp_path / "good.py").write_text("x = 1\n")
    path = tmp_path / "app.py"
    assert webhal(path, tmp_path / "good.py", "--target", "esp8266") == (
        1,
        f"{path}:1:3: not on esp8266: partition(); use find() and slices\n"
        f"{path}:2:3: not on esp8266: title(); use upper() and lower()\n",
        "",
    )
    assert webhal(path, "--target", "esp32", "--target", "circuitpython")[:2] == (
        1,
        f"{path}:2:3: not on esp32, circuitpython: title(); use upper() and lower()\n",
    )
    assert webhal(path)[1].count("\n") == 2
    assert webhal(tmp_path / "good.py") == (0, "", "")


def test_command_knows_what_lies_beside_an_application_but_not_in_a_package(webhal, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text("import logging, functools\n")
    (tmp_path / "logging.py").touch()
    (tmp_path / "functools").mkdir()
    assert webhal(tmp_path / "app.py") == (0, "", "")
    monkeypatch.chdir(tmp_path)
    assert webhal("app.py") == (0, "", "")
    (tmp_path / "__init__.py").touch()
    assert webhal("app.py")[0] == 1


def test_command_reports_what_is_no_python(webhal, tmp_path):
    path = tmp_path / "app.py"
    path.write_text("x = (\n")
    code, out, err = webhal(path)
    assert (code, out.count("\n"), err) == (1, 1, "")
    assert out.startswith(f"{path}:1:") and ": not Python: " in out
    path.write_bytes(b"x = '\0'\n")
    assert ": not Python: " in webhal(path)[1]
    path.write_bytes(b"x = '\xff'\n")
    assert ": not Python: " in webhal(path)[1]


def test_command_refuses_wrong_arguments_in_one_line(webhal, tmp_path):
    for arguments in ((), (tmp_path,), (tmp_path / "missing.py",), (tmp_path, "--target", "esp")):
        code, out, err = webhal(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("webhal: ")


def test_page_tells_the_rules():
    spec = importlib.util.spec_from_file_location("lint_dialect", ROOT / "tools/lint_dialect.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = (ROOT / "docs/dialects.md").read_text(encoding="utf-8")
    assert tool.update(page) == page
