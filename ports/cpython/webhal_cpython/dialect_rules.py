"""What the Pythons of the boards lack, as data: dialect.py finds it in a program, docs/dialects.md tabulates it.

The unix build of MicroPython 1.25 has the language of an ESP32, and the tests ask it about every rule. What holds
on one target only cannot be asked there: such a rule names its source, a file of MicroPython's or CircuitPython's
sources and the option in it.
"""

from typing import NamedTuple

TARGETS = ("esp8266", "esp32", "rp2", "circuitpython")

_MICROPYTHON = ("esp8266", "esp32", "rp2")
_ESP = ("esp8266", "esp32")  # what RP2 has: MicroPython: ports/rp2/mpconfigport.h, MICROPY_PY_RE_MATCH_GROUPS …
_ESP8266 = ("esp8266",)
_CIRCUITPYTHON = ("circuitpython",)

_ESP8266_CONFIG = "MicroPython: ports/esp8266/mpconfigport.h, "
_CIRCUITPYTHON_CONFIG = "CircuitPython: py/mpconfig.h, "
_LWIP_SOCKETS = "MicroPython: extmod/modlwip.c"
_POOL_SOCKETS = "CircuitPython: shared-bindings/socketpool/Socket.c"


class Rule(NamedTuple):
    """One thing that does not work."""

    what: str
    instead: str  # what to write
    on: tuple[str, ...] = TARGETS
    source: str = ""  # for what the unix build of MicroPython does support


# What is seen in a program's syntax; dialect.py knows each by its key.
SYNTAX = {
    "match": Rule("match statement", "use if and elif"),
    "positional only": Rule("positional-only parameters", "leave the / out"),
    "star display": Rule("[*a], (*a, b) or {*a}", "add lists or tuples with +, sets with |"),
    "double star display": Rule("{**d}", "use dict(d, key=value), or d | e"),
    "parenthesised with": Rule("with (a as b, c as d):", "leave the parentheses out, break lines with \\"),
    "async comprehension": Rule("async comprehension", "use an async for loop"),
    "await in comprehension": Rule("await in a comprehension", "use a for loop"),
    "async generator": Rule("async for over an async generator", "write a class with __aiter__ and async __anext__"),
    "class keyword": Rule("keyword in a class statement (metaclass=…)", "leave it out"),
    "except star": Rule("except*", "use except"),
    "type parameter": Rule("type statement or type parameters", "leave them out"),
    "decorator": Rule("decorator that is not a name or a call of one", "give it a name first"),
    "star after keyword": Rule("f(key=value, *args), which passes the wrong values", "write *args first"),
    "f-string expression": Rule(
        "f-string whose expression has a : or a brace outside of brackets, or a string in which they stand, "
        "or another f-string",
        "assign it to a variable first",
    ),
    "f-string !a": Rule("!a in a format", "use !r"),
    "f-string neighbour": Rule("f-string beside a string with braces, which are taken for fields", "write + between"),
    "string prefix": Rule("upper-case string prefix", "write it in lower case"),
    "unicode name": Rule(r"\N{…} in a string", r"use \u and the number"),
    "complex": Rule("complex number", "leave it out", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_COMPLEX"),
    "generic alias": Rule("list[int] outside of an annotation", "leave the brackets out"),
    "union of types": Rule("int | str outside of an annotation", "use a tuple: isinstance(x, (int, str))"),
    "function attribute": Rule("attribute of a function", "use a dict, or an instance with __call__"),
    "step": Rule("slice with a step, but of a list or range", "use list(x)[::n], or reversed()"),
    "step assignment": Rule("assignment to, or del of, a slice with a step", "use a loop"),
    "del item": Rule("del of items of a bytearray, array or deque", 'assign: b[:n] = b""'),
    "dict view length": Rule("len() of keys(), values() or items()", "use len(d)", _MICROPYTHON),
    "dict view set": Rule("set operation on keys() or items()", "use set(d)"),
    "builtin special method": Rule("special method of a built-in class called by name", "use super()"),
    "builtin method": Rule("method of a built-in class called with self", "use super()"),
    "instance dict": Rule("change of an instance's __dict__", "use setattr()"),
    "super property": Rule("super() that reads a property", "move what it computes to a method", _MICROPYTHON),
    "memoryview with": Rule("with memoryview(…)", "leave the with out"),
    "memoryview join": Rule('b"".join() of a memoryview', "use bytes(view)"),
    "codec": Rule("codec other than UTF-8, which is taken for UTF-8", "use bytes, or chr() and ord()"),
    "codec errors": Rule("errors argument of a codec, which is ignored", "catch UnicodeError"),
    "format field": Rule("{a.b} or {a[b]} in str.format()", "pass the value itself"),
    "await only": Rule("__await__ without __iter__", "write __iter__, and __await__ = __iter__", _MICROPYTHON),
    "re count": Rule("{m,n} in a pattern, which matches nothing", "repeat the item: aa?"),
    "re boundary": Rule(r"\b, \B, \A or \Z in a pattern, which matches nothing", "match what is beside it"),
    "re extension": Rule("(?…) in a pattern, but for (?:…)", "use numbered groups, match again in code"),
    "re backreference": Rule(r"\1 in a pattern, which matches nothing", "compare the groups in code"),
    "re possessive": Rule("a*+ in a pattern", "leave the + out"),
    "re character": Rule(r"\x in a pattern, which matches an x", r'use a string that is not raw: "\x41"'),
    "re escape": Rule(
        r"\n, \r, \t … in a pattern, which match the letters", r'use a string that is not raw: "\n"', _MICROPYTHON
    ),
    "re bracket": Rule("[]…] in a pattern", r"write [\]…]"),
    "re flags": Rule("flags of a pattern, which are ignored", "write what they mean: [aA]"),
    "re buffer": Rule("pattern on a bytearray or memoryview", "use bytes()"),
    "error number": Rule(
        "errno compared with a number above 34, which each system has another meaning for",
        "use the name: errno.EADDRINUSE",
        ("esp32", "circuitpython"),
        "newlib: sys/errno.h",
    ),
}

# Methods, seen by their names on anything.
_NO_STR = {
    "capitalize": "use text[:1].upper() + text[1:].lower()",
    "casefold": "use lower()",
    "expandtabs": "use replace()",
    "format_map": "use format(**d)",
    "isalnum": "test isalpha() or isdigit() for each character",
    "isascii": "test max(text.encode()) < 128",
    "isdecimal": "use isdigit()",
    "isidentifier": "compare its characters",
    "isnumeric": "use isdigit()",
    "isprintable": 'test min(text) >= " "',
    "istitle": "compare its characters",
    "ljust": 'use "%-5s" % text',
    "maketrans": "use replace()",
    "removeprefix": "use startswith() and text[len(prefix):]",
    "removesuffix": "use endswith() and text[:-len(suffix)]",
    "rjust": 'use "%5s" % text',
    "swapcase": "use upper() and lower()",
    "title": "use upper() and lower()",
    "translate": "use replace()",
    "zfill": 'use "%05d" % number',
}
METHODS = {name: Rule(name + "()", instead) for name, instead in _NO_STR.items()}
METHODS |= {
    "partition": Rule(
        "partition()", "use find() and slices", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_STR_PARTITION"
    ),
    "rpartition": Rule(
        "rpartition()", "use rfind() and slices", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_STR_PARTITION"
    ),
    "splitlines": Rule(
        "splitlines()", r'use split("\n")', _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_STR_SPLITLINES"
    ),
    "center": Rule("center()", 'use "{:^9}".format()', _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_STR_CENTER"),
    "bit_length": Rule("bit_length()", "use len(bin(n)) - 2", _MICROPYTHON),
    "bit_count": Rule("bit_count()", 'use bin(n).count("1")'),
    "is_integer": Rule("is_integer()", "compare with int(x)"),
    "as_integer_ratio": Rule("as_integer_ratio()", "scale by a fixed number: int(x * 1000)"),
    "tobytes": Rule("tobytes()", "use bytes()"),
    "tolist": Rule("tolist()", "use list()"),
    "hexdigest": Rule("hexdigest()", "use binascii.hexlify(h.digest()).decode()"),
    "findall": Rule("findall()", "use sub() with a function that collects"),
    "finditer": Rule("finditer()", "use sub() with a function that collects"),
    "fullmatch": Rule("fullmatch()", "use match() and a $ at the end"),
    "subn": Rule("subn()", "use sub() with a function that counts"),
    "groupdict": Rule("groupdict()", "use group(number)"),
    "groups": Rule("groups()", "use group(number)", _ESP),
    "span": Rule("span()", "use group() and find()", _ESP),
    "writelines": Rule("writelines()", "use write() in a loop"),
    "truncate": Rule("truncate()", "write the file anew"),
    "getbuffer": Rule("getbuffer()", "use getvalue()"),
    "move_to_end": Rule("move_to_end()", "use pop(), and assign again", _MICROPYTHON),
    "_asdict": Rule("_asdict()", "write the dict"),
    "_replace": Rule("_replace()", "make a new one"),
    "rotate": Rule("rotate()", "use append(popleft())"),
    "extendleft": Rule("extendleft()", "use appendleft() in a loop"),
    "with_traceback": Rule("with_traceback()", "leave it out"),
    "add_note": Rule("add_note()", "add it to the message"),
    "add_done_callback": Rule("add_done_callback()", "await the task"),
    "call_later": Rule("call_later()", "use create_task() with a coroutine that sleeps first"),
    "call_soon": Rule("call_soon()", "use create_task()"),
    "run_in_executor": Rule("run_in_executor()", "call it"),
}

# Methods of classes, on what is certain to be an instance: "class.method".
OF_CLASS = {
    "bytearray.pop": Rule("bytearray.pop()", 'use b[-1], then b[-1:] = b""'),
    "bytearray.clear": Rule("bytearray.clear()", 'use b[:] = b""'),
    "bytearray.insert": Rule("bytearray.insert()", "assign to a slice: b[n:n] = …"),
    "bytearray.remove": Rule("bytearray.remove()", 'use find(), then b[n:n + 1] = b""'),
    "bytearray.reverse": Rule("bytearray.reverse()", "use bytearray(reversed(b))"),
    "bytearray.copy": Rule("bytearray.copy()", "use b[:]"),
    "memoryview.release": Rule("memoryview.release()", "leave it out"),
    "memoryview.cast": Rule("memoryview.cast()", "use struct.unpack_from()", _MICROPYTHON),
    "deque.clear": Rule("deque.clear()", "use popleft() in a loop"),
    "deque.copy": Rule("deque.copy()", "use deque(list(d), n)"),
    "deque.count": Rule("deque.count()", "use list(d).count()"),
    "deque.index": Rule("deque.index()", "use list(d).index()"),
    "deque.insert": Rule("deque.insert()", "use a list"),
    "deque.remove": Rule("deque.remove()", "use a list"),
    "deque.reverse": Rule("deque.reverse()", "use reversed()"),
    "array.count": Rule("array.count()", "use list(a).count()"),
    "array.index": Rule("array.index()", "use list(a).index()"),
    "array.insert": Rule("array.insert()", "make a new one"),
    "array.pop": Rule("array.pop()", "make a new one"),
    "array.remove": Rule("array.remove()", "make a new one"),
    "array.reverse": Rule("array.reverse()", "make a new one"),
    "match.start": Rule("start() of a match", "use find()", _ESP),
    "match.end": Rule("end() of a match", "use find() and len()", _ESP),
    "match.expand": Rule("expand() of a match", "use group(number)"),
    "socket.fileno": Rule("fileno() of a socket", "poll the socket itself", ("esp8266", "rp2"), _LWIP_SOCKETS),
    "pool socket.fileno": Rule("fileno() of a pool's socket", "poll the socket itself", _CIRCUITPYTHON, _POOL_SOCKETS),
    "pool socket.recv": Rule("recv() of a pool's socket", "use recv_into()", _CIRCUITPYTHON, _POOL_SOCKETS),
    "pool socket.makefile": Rule("makefile() of a pool's socket", "use recv_into()", _CIRCUITPYTHON, _POOL_SOCKETS),
    "pool socket.shutdown": Rule("shutdown() of a pool's socket", "use close()", _CIRCUITPYTHON, _POOL_SOCKETS),
    "pool socket.getpeername": Rule(
        "getpeername() of a pool's socket", "keep what accept() returned", _CIRCUITPYTHON, _POOL_SOCKETS
    ),
}
_NO_SOCKET = {
    "connect_ex": "use connect(), and catch OSError",
    "detach": "use close()",
    "getblocking": "keep what you set",
    "getpeername": "keep what accept() returned",
    "getsockname": "keep what you bound it to",
    "getsockopt": "keep what you set",
    "gettimeout": "keep what you set",
    "recv_into": "use recv(), or MicroPython's readinto()",
    "recvfrom_into": "use recvfrom()",
    "sendfile": "read and send pieces",
    "shutdown": "use close()",
}
OF_CLASS |= {
    "socket." + name: Rule(name + "() of a socket", instead, _MICROPYTHON) for name, instead in _NO_SOCKET.items()
}

# Attributes that are not called, on anything.
ATTRIBUTES = {
    "__doc__": Rule("__doc__", "use a class attribute of another name"),
    "__code__": Rule("__code__", "leave it out"),
    "__defaults__": Rule("__defaults__", "leave it out"),
    "__annotations__": Rule("__annotations__", "write a table"),
    "__wrapped__": Rule("__wrapped__", "keep the function in a variable"),
    "__self__": Rule("__self__", "keep the instance in a variable"),
    "__func__": Rule("__func__", "use the class's attribute"),
    "__mro__": Rule("__mro__", "use __bases__"),
    "__traceback__": Rule("__traceback__", "use sys.print_exception()", _MICROPYTHON),
    "__cause__": Rule("__cause__", "leave it out"),
    "__context__": Rule("__context__", "leave it out"),
    "strerror": Rule("strerror", "use str(error)", _MICROPYTHON),
    "nbytes": Rule("nbytes", "use len()"),
    "itemsize": Rule("itemsize", "use struct.calcsize()"),
    "lastindex": Rule("lastindex", "try group(number)"),
    "_fields": Rule("_fields", "keep the names in a tuple"),
    "st_size": Rule("st_size", "use os.stat(path)[6]"),
    "st_mtime": Rule("st_mtime", "use os.stat(path)[8]"),
    "st_mode": Rule("st_mode", "use os.stat(path)[0]"),
    "tm_year": Rule("tm_year", "use time.localtime()[0]", _MICROPYTHON),
    "tm_mon": Rule("tm_mon", "use time.localtime()[1]", _MICROPYTHON),
    "tm_mday": Rule("tm_mday", "use time.localtime()[2]", _MICROPYTHON),
    "tm_hour": Rule("tm_hour", "use time.localtime()[3]", _MICROPYTHON),
    "tm_min": Rule("tm_min", "use time.localtime()[4]", _MICROPYTHON),
    "tm_sec": Rule("tm_sec", "use time.localtime()[5]", _MICROPYTHON),
    "tm_wday": Rule("tm_wday", "use time.localtime()[6]", _MICROPYTHON),
    "tm_yday": Rule("tm_yday", "use time.localtime()[7]", _MICROPYTHON),
}

# Special methods that a class may define, and that are never called.
SPECIAL = {
    "__init_subclass__": Rule("__init_subclass__", "register each class by a call"),
    "__set_name__": Rule("__set_name__", "pass the name", _MICROPYTHON),
    "__class_getitem__": Rule("__class_getitem__", "write a function"),
    "__getattribute__": Rule("__getattribute__", "use __getattr__"),
    "__setattr__": Rule("__setattr__", "use a property", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_DELATTR_SETATTR"),
    "__delattr__": Rule("__delattr__", "write a method", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_DELATTR_SETATTR"),
    "__format__": Rule("__format__", "write a method"),
    "__index__": Rule("__index__", "use __int__, and call int()"),
    "__round__": Rule("__round__", "write a method"),
    "__bytes__": Rule("__bytes__", "write a method", _MICROPYTHON),
    "__missing__": Rule("__missing__", "use __getitem__ and get()"),
    "__del__": Rule("__del__", "write close(), or __exit__"),
}

# Keyword arguments by function ("print", "json.dumps") or method (".split"). "*": any.
_BY_POSITION = "pass it by position"
_BY_POSITION_OR_NOT = "pass it by position, or leave it out"
KEYWORDS = {
    "print": {"flush": Rule("print(flush=…)", "leave it out", _MICROPYTHON)},
    "open": {
        "newline": Rule("open(newline=…)", "leave it out: newlines are never changed"),
        "errors": Rule("open(errors=…)", "catch UnicodeError"),
    },
    "int": {"base": Rule("int(base=…)", _BY_POSITION)},
    "round": {"ndigits": Rule("round(ndigits=…)", _BY_POSITION)},
    "sum": {"start": Rule("sum(start=…)", _BY_POSITION)},
    "zip": {"strict": Rule("zip(strict=…)", "compare the lengths")},
    "str": {"*": Rule("str(…=…)", _BY_POSITION)},
    "bytes": {"*": Rule("bytes(…=…)", _BY_POSITION)},
    "bytearray": {"*": Rule("bytearray(…=…)", _BY_POSITION)},
    ".split": {
        "maxsplit": Rule("split(maxsplit=…)", "pass it by position: split(None, 1)"),
        "sep": Rule("split(sep=…)", _BY_POSITION),
    },
    ".rsplit": {
        "maxsplit": Rule("rsplit(maxsplit=…)", "name the separator: rsplit(' ', 1)"),
        "sep": Rule("rsplit(sep=…)", _BY_POSITION),
    },
    ".encode": {"*": Rule("encode(…=…)", "use encode()")},
    ".decode": {"*": Rule("decode(…=…)", "use decode()")},
    ".replace": {"count": Rule("replace(count=…)", _BY_POSITION)},
    ".hex": {"sep": Rule("hex(sep=…)", _BY_POSITION)},
    ".sub": {"count": Rule("sub(count=…)", _BY_POSITION)},
    ".popitem": {"last": Rule("popitem(last=…)", "use next(iter(d)) and pop()")},
    ".to_bytes": {
        "length": Rule("to_bytes(length=…)", _BY_POSITION, _MICROPYTHON),
        "byteorder": Rule("to_bytes(byteorder=…)", _BY_POSITION, _MICROPYTHON),
        "signed": Rule("to_bytes(signed=…)", "use struct.pack()", _MICROPYTHON),
    },
    ".from_bytes": {
        "byteorder": Rule("from_bytes(byteorder=…)", _BY_POSITION, _MICROPYTHON),
        "signed": Rule("from_bytes(signed=…)", "use struct.unpack()"),
    },
    "json.dumps": {
        "indent": Rule("json.dumps(indent=…)", "leave it out"),
        "sort_keys": Rule("json.dumps(sort_keys=…)", "use an OrderedDict of sorted(d.items())"),
        "default": Rule("json.dumps(default=…)", "turn it into dicts and lists first"),
        "ensure_ascii": Rule("json.dumps(ensure_ascii=…)", "leave it out: boards write UTF-8"),
        "cls": Rule("json.dumps(cls=…)", "turn it into dicts and lists first"),
    },
    "json.loads": {"*": Rule("json.loads(…=…)", "convert afterwards")},
    "re.compile": {"*": Rule("re.compile(…=…)", _BY_POSITION)},
    "re.match": {"*": Rule("re.match(…=…)", _BY_POSITION)},
    "re.search": {"*": Rule("re.search(…=…)", _BY_POSITION)},
    "re.sub": {"*": Rule("re.sub(…=…)", _BY_POSITION)},
    "os.listdir": {"*": Rule("os.listdir(…=…)", _BY_POSITION)},
    "os.mkdir": {"*": Rule("os.mkdir(…=…)", "leave the mode out")},
    "struct.unpack_from": {"*": Rule("struct.unpack_from(…=…)", _BY_POSITION)},
    "random.randint": {"*": Rule("random.randint(…=…)", _BY_POSITION)},
    "collections.namedtuple": {"*": Rule("namedtuple(…=…)", _BY_POSITION_OR_NOT)},
    "asyncio.create_task": {"*": Rule("asyncio.create_task(…=…)", "leave it out")},
    "asyncio.run": {"*": Rule("asyncio.run(…=…)", "leave it out")},
    "binascii.a2b_base64": {"*": Rule("binascii.a2b_base64(…=…)", "leave it out")},
}
KEYWORDS["json.dump"] = KEYWORDS["json.dumps"]
KEYWORDS["json.load"] = KEYWORDS["json.loads"]

# Calls, by how many arguments are passed; dialect.py knows each by its key.
CALLS = {
    "deque": Rule("deque() without both iterable and length", "use deque((), 100)"),
    "group": Rule("group() without exactly one number", "use group(0)"),
    "iter": Rule("iter() of a function", "use while True"),
    "next": Rule(
        "next() with a default",
        "use a for loop that returns at once",
        _CIRCUITPYTHON,
        _CIRCUITPYTHON_CONFIG + "MICROPY_PY_BUILTINS_NEXT2",
    ),
    "pow": Rule("pow() with three arguments", "use a loop", _ESP8266, _ESP8266_CONFIG + "MICROPY_PY_BUILTINS_POW3"),
    "slice": Rule("slice()", "write x[a:b], or keep a and b", _MICROPYTHON),
    "listen": Rule("listen() without a backlog", "use listen(4)", _CIRCUITPYTHON, _POOL_SOCKETS),
    "mkdir": Rule("os.mkdir() with a mode", "leave the mode out"),
    "rsplit": Rule("rsplit(None, …)", "name the separator: rsplit(' ', 1)"),
}

# Names that are always there.
_MICROPYTHON_BUILTINS = """
ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception GeneratorExit ImportError
IndentationError IndexError KeyError KeyboardInterrupt LookupError MemoryError NameError NotImplemented
NotImplementedError OSError OverflowError RuntimeError StopAsyncIteration StopIteration SyntaxError SystemExit
TypeError UnicodeError ValueError ZeroDivisionError False None True __build_class__ __debug__ __file__ __import__
__name__ abs all any bin bool bytearray bytes callable chr classmethod compile complex delattr dict dir divmod
enumerate eval exec filter float frozenset getattr globals hasattr hash help hex id input int isinstance issubclass
iter len list locals map max memoryview min next object oct open ord pow print property range repr reversed round set
setattr slice sorted staticmethod str sum super tuple type zip
"""
ESP8266_LACKS_BUILTINS = {"NotImplemented", "__file__", "compile", "complex"}
CIRCUITPYTHON_BUILTINS = {"BrokenPipeError", "ConnectionError", "TimeoutError"}  # besides
BUILTINS = {"esp32": frozenset(_MICROPYTHON_BUILTINS.split())}
BUILTINS["esp8266"] = BUILTINS["esp32"] - ESP8266_LACKS_BUILTINS
BUILTINS["rp2"] = BUILTINS["esp32"]
BUILTINS["circuitpython"] = BUILTINS["esp32"] | CIRCUITPYTHON_BUILTINS

# Special methods that the built-in classes do have by name.
BUILTIN_SPECIAL = {
    "": {"__bases__", "__class__", "__dict__", "__name__"},  # each of them
    "object": {"__init__", "__new__", "__setattr__", "__delattr__"},
    "dict": {"__getitem__", "__setitem__", "__delitem__"},
    "set": {"__contains__"},
    "frozenset": {"__contains__"},
}

# What to write in the place of a built-in name.
_ERRNO = "catch OSError, and look at its errno"
BUILTIN_HINTS = {
    "BlockingIOError": _ERRNO,
    "BrokenPipeError": _ERRNO,
    "ChildProcessError": _ERRNO,
    "ConnectionAbortedError": _ERRNO,
    "ConnectionError": _ERRNO,
    "ConnectionRefusedError": _ERRNO,
    "ConnectionResetError": _ERRNO,
    "FileExistsError": _ERRNO,
    "FileNotFoundError": _ERRNO,
    "InterruptedError": _ERRNO,
    "IsADirectoryError": _ERRNO,
    "NotADirectoryError": _ERRNO,
    "PermissionError": _ERRNO,
    "ProcessLookupError": _ERRNO,
    "TimeoutError": _ERRNO,
    "EnvironmentError": "use OSError",
    "IOError": "use OSError",
    "ModuleNotFoundError": "use ImportError",
    "NotImplemented": "raise TypeError, or return False",
    "RecursionError": "use RuntimeError",
    "UnboundLocalError": "use NameError",
    "UnicodeDecodeError": "use UnicodeError",
    "UnicodeEncodeError": "use UnicodeError",
    "__file__": "use a path of your own",
    "ascii": "use repr()",
    "compile": "use exec()",
    "exit": "use sys.exit()",
    "format": 'use "{:x}".format()',
    "quit": "use sys.exit()",
    "vars": "use x.__dict__",
}

# Modules and their names; "": they are not known here. Modules of the boards' own are not listed: these are the ones
# that CPython has too.
MODULES = {
    "esp32": {
        "_thread": "",
        "array": "array",
        "asyncio": "CancelledError Event Lock Loop StreamReader StreamWriter Task ThreadSafeFlag TimeoutError"
        " create_task current_task gather get_event_loop new_event_loop open_connection run run_until_complete sleep"
        " sleep_ms start_server wait_for wait_for_ms",
        "binascii": "a2b_base64 b2a_base64 crc32 hexlify unhexlify",
        "builtins": "",
        "cmath": "cos e exp log log10 phase pi polar rect sin sqrt",
        "collections": "OrderedDict deque namedtuple",
        "errno": "EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH"
        " EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN EOPNOTSUPP EPERM ETIMEDOUT errorcode",
        "gc": "collect disable enable isenabled mem_alloc mem_free threshold",
        "hashlib": "md5 sha1 sha256",
        "heapq": "heapify heappop heappush",
        "io": "BytesIO IOBase StringIO open",
        "json": "dump dumps load loads",
        "math": "acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees e erf erfc exp expm1 fabs"
        " factorial floor fmod frexp gamma inf isclose isfinite isinf isnan ldexp lgamma log log10 log2 modf nan pi"
        " pow radians sin sinh sqrt tan tanh tau trunc",
        "os": "VfsFat VfsLfs2 chdir dupterm dupterm_notify getcwd ilistdir listdir mkdir mount remove rename rmdir sep"
        " stat statvfs sync umount uname unlink urandom",
        "platform": "libc_ver platform python_compiler",
        "random": "choice getrandbits randint random randrange seed uniform",
        "re": "compile match search sub",
        "select": "POLLERR POLLHUP POLLIN POLLOUT poll select",
        "socket": "AF_INET AF_INET6 IPPROTO_IP IPPROTO_TCP IP_ADD_MEMBERSHIP SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET"
        " SO_BROADCAST SO_REUSEADDR TCP_NODELAY getaddrinfo socket",
        "ssl": "",
        "struct": "calcsize pack pack_into unpack unpack_from",
        "sys": "argv byteorder exit implementation maxsize modules path platform print_exception ps1 ps2 stderr stdin"
        " stdout version version_info",
        "time": "gmtime localtime mktime sleep sleep_ms sleep_us ticks_add ticks_cpu ticks_diff ticks_ms ticks_us time"
        " time_ns",
    },
    "circuitpython": {
        "__future__": "annotations",
        "array": "array",
        "asyncio": "CancelledError Event Lock Loop StreamReader StreamWriter Task ThreadSafeFlag TimeoutError"
        " create_task current_task gather get_event_loop new_event_loop open_connection run run_until_complete sleep"
        " sleep_ms start_server wait_for wait_for_ms",
        "atexit": "register unregister",
        "binascii": "a2b_base64 b2a_base64 crc32 hexlify unhexlify",
        "builtins": "",
        "codeop": "",
        "collections": "OrderedDict deque namedtuple",
        "errno": "EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH"
        " EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOSPC ENOTCONN EOPNOTSUPP EPERM EROFS ETIMEDOUT"
        " errorcode",
        "gc": "collect disable enable isenabled mem_alloc mem_free",
        "getpass": "getpass",
        "hashlib": "new",
        "io": "BytesIO StringIO open",
        "ipaddress": "IPv4Address ip_address",
        "json": "dump dumps load loads",
        "locale": "getlocale",
        "math": "acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees dist e erf erfc exp expm1 fabs"
        " floor fmod frexp gamma isfinite isinf isnan ldexp lgamma log log10 log2 modf pi pow radians sin sinh sqrt"
        " tan tanh trunc",
        "os": "chdir getcwd getenv listdir mkdir remove rename rmdir sep stat statvfs sync uname unlink urandom utime",
        "random": "choice getrandbits randint random randrange seed uniform",
        "re": "compile match search sub",
        "select": "POLLERR POLLHUP POLLIN POLLOUT poll select",
        "ssl": "",
        "struct": "calcsize pack pack_into unpack unpack_from",
        "sys": "argv byteorder exit implementation maxsize modules path platform stderr stdin stdout version"
        " version_info",
        "time": "localtime mktime monotonic monotonic_ns sleep struct_time time",
        "traceback": "format_exception print_exception",
        "warnings": "simplefilter warn",
        "zlib": "decompress",
    },
}
ESP8266_LACKS = {
    "_thread": "*",
    "binascii": "crc32",
    "cmath": "*",
    "hashlib": "md5",
    "math": "acosh asinh atanh cosh erf erfc expm1 factorial gamma inf isclose lgamma log10 log2 nan sinh tanh tau",
    "random": "choice randint random randrange uniform",
    "sys": "ps1 ps2",
}
MODULES["esp8266"] = {
    module: " ".join(name for name in names.split() if name not in ESP8266_LACKS.get(module, "").split())
    for module, names in MODULES["esp32"].items()
    if ESP8266_LACKS.get(module) != "*"
}
MODULES["rp2"] = MODULES["esp32"]

# Modules of one kind of board, in a program for another.
FOREIGN = {
    "esp8266": "alarm analogio bluetooth board busio digitalio esp32 microcontroller pwmio rp2 socketpool storage"
    " supervisor wifi",
    "esp32": "alarm analogio board busio digitalio microcontroller pwmio rp2 socketpool storage supervisor wifi",
    "rp2": "alarm analogio board busio digitalio esp esp32 espnow microcontroller pwmio socketpool storage supervisor"
    " wifi",
    "circuitpython": "bluetooth btree cryptolib deflate esp esp32 espnow framebuf machine network rp2 uasyncio"
    " ubinascii uctypes uio ujson uos ure uselect usocket ustruct usys utime vfs",
}

# What to write in the place of a module, or of a module's name.
_CHECKING = ", import it where TYPE_CHECKING is true, which a board takes from TYPE_CHECKING = False"
_TICKS = "use time.ticks_ms() and time.ticks_diff()"
MODULE_HINTS = {
    "__future__": "quote the annotations",
    "_thread": "use async handlers",
    "abc": "leave it out",
    "base64": "use binascii.b2a_base64() and a2b_base64()",
    "collections.abc": "quote the annotations" + _CHECKING,
    "contextlib": "write a class with __enter__ and __exit__",
    "copy": "use list() or dict()",
    "dataclasses": "write __init__",
    "datetime": "use time.localtime()",
    "enum": "use constants",
    "functools": "write a function in a function",
    "gzip": "send files that are compressed already",
    "html": "use replace()",
    "itertools": "write a generator",
    "logging": "use print()",
    "operator": "use lambda",
    "os.path": "use os.stat(), which raises OSError, and +",
    "pathlib": "use str and os",
    "platform": "use sys.platform",
    "queue": "use a list",
    "secrets": "use os.urandom()",
    "socket": "use socketpool",
    "string": "write the characters",
    "threading": "use async handlers",
    "traceback": "use sys.print_exception()",
    "typing": "quote the annotations" + _CHECKING,
    "urllib.parse": "use request.args and request.form",
    "uuid": "use binascii.hexlify(os.urandom(16))",
    # names
    "asyncio.Queue": "use a list and an Event",
    "asyncio.TaskGroup": "use asyncio.gather()",
    "asyncio.get_running_loop": "use asyncio.get_event_loop()",
    "asyncio.iscoroutinefunction": 'call it, and test hasattr(result, "send")',
    "asyncio.timeout": "use asyncio.wait_for()",
    "binascii.Error": "use ValueError",
    "collections.Counter": "use counts[x] = counts.get(x, 0) + 1",
    "collections.defaultdict": "use setdefault()",
    "hashlib.md5": 'use hashlib.new("md5") on CircuitPython, another hash on an ESP8266',
    "hashlib.new": "use hashlib.sha256()",
    "hashlib.sha1": 'use hashlib.new("sha1")',
    "hashlib.sha256": 'use hashlib.new("sha256")',
    "json.JSONDecodeError": "use ValueError",
    "math.gcd": "write a loop",
    "math.hypot": "use math.sqrt(x * x + y * y)",
    "math.inf": 'use float("inf")',
    "math.nan": 'use float("nan")',
    "math.tau": "use 2 * math.pi",
    "os.environ": "use os.getenv() on CircuitPython",
    "os.getenv": "read a file of your own",
    "os.makedirs": "use os.mkdir() for each folder",
    "os.replace": "use os.rename()",
    "os.walk": "use os.listdir()",
    "random.choice": "use items[random.getrandbits(8) % len(items)]",
    "random.randint": "use random.getrandbits(8) % n",
    "random.random": "use random.getrandbits(16) / 65536",
    "random.randrange": "use random.getrandbits(8) % n",
    "random.shuffle": "swap items in a loop",
    "re.error": "use ValueError",
    "re.escape": "write the pattern by hand",
    "re.findall": "use sub() with a function that collects",
    "re.fullmatch": "use match() and a $ at the end",
    "re.split": "use re.compile(pattern).split()",
    "struct.Struct": "use struct.pack() and unpack()",
    "struct.error": "use ValueError",
    "sys.exc_info": "use except … as error",
    "sys.print_exception": "use traceback.print_exception()",
    "time.gmtime": "use time.localtime()",
    "time.monotonic": _TICKS,
    "time.monotonic_ns": _TICKS,
    "time.perf_counter": _TICKS,
    "time.strftime": 'use "%02d:%02d" % time.localtime()[3:5]',
    "time.sleep_ms": "use time.sleep()",
    "time.ticks_diff": "use supervisor.ticks_ms(), or time.monotonic_ns()",
    "time.ticks_ms": "use supervisor.ticks_ms(), or time.monotonic_ns()",
    "time.time_ns": "use time.time()",
}
