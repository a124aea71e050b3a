"""Metrics and Health: two applications to be mounted, for who watches a service.

    from webhal.metrics import Health, Metrics

    app.mount("/metrics", Metrics())
    app.mount("/health", Health())

What is counted, and how it is written: Prometheus's text format 0.0.4. Numbers that processes share are in counters.py.
"""

import gc
import sys

import webhal
from webhal.app import App

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from webhal.http import Request
    from webhal.response import Response

# ms, and the same as seconds: Prometheus's own choice, for what takes from a moment to a person's patience.
_BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
_SECONDS = "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_UNMATCHED = " unmatched"  # of requests that no route is for: what clients make up is not to fill the memory
_BYTES = ""  # the key of the bytes of all bodies; others are "GET /path 200" for answers, "GET /path " for durations

if sys.implementation.name == "cpython":
    import inspect
    import os

    FOLDER = "WEBHAL_METRICS_DIR"
    """The environment variable with the folder in which processes that serve the same keep their numbers."""
    _LOOK_S = 5  # so often such a process writes down what only it knows: its connections, its memory


class Metrics(App):
    """An application that tells what the one in which it is mounted has answered since it is served.

    Requests by method, route and status; how long they took, from when the handler could begin until its answer did;
    bytes of bodies; open connections; memory. A route is told as it was registered, and all requests for which there is
    none as one, so that there are never more numbers than routes times statuses.
    """

    top: "App"  # the outermost application, once it is served

    def __init__(self) -> None:
        super().__init__()
        self.numbers: "dict[str, Any]" = {}  # lists, by key
        self.labels: "dict[int, str]" = {}  # the paths of patterns, by their segments' id
        self.get("/")(self.show)
        self.on("start")(self.begin)
        if sys.implementation.name == "cpython":
            self.shared: "Any" = None
            if os.environ.get(FOLDER):
                self.every(_LOOK_S)(self.look)

    def begin(self) -> None:
        """Count from now on."""
        if hasattr(self, "top"):  # it was served before
            return
        name = ""
        app: "App" = self
        while hasattr(app, "parent"):
            for path, mounted in app.parent.mounts:
                if mounted is app:
                    name = path + name
            app = app.parent
        if sys.implementation.name == "cpython":
            folder = os.environ.get(FOLDER)
            if folder:
                self.shared = webhal.counters.Shared(folder, name)
                self.numbers = self.shared.numbers
        self.top = app
        app.before = (self.note,) + app.before
        app.on("response")(self.count)

    def note(self, request: "Request") -> None:
        """A hook: when a request's handler can begin."""
        server: "Any" = self.top.server
        request.since = server.network.ticks_ms()  # type: ignore[attr-defined] # its own

    def count(self, request: "Request", status: int, length: int) -> None:
        """An answer begins."""
        route = self.find_route(request)
        self.get_numbers("%s %d" % (route, status), 1)[0] += 1
        if length > 0:
            self.get_numbers(_BYTES, 1)[0] += length
        if "since" in request.__dict__:
            server: "Any" = self.top.server
            took = server.network.ticks_diff(server.network.ticks_ms(), request.since)
            place = 0
            while place < len(_BOUNDS) and took > _BOUNDS[place]:
                place += 1
            durations = self.get_numbers(route + " ", len(_BOUNDS) + 2)
            durations[place] += 1
            durations[-1] += took

    def get_numbers(self, key: str, size: int) -> "Any":
        """The numbers of a key, which are 0 at first."""
        numbers = self.numbers.get(key)
        if numbers is None:
            numbers = [0] * size
            if sys.implementation.name == "cpython":
                if self.shared:
                    numbers = self.shared.add(key, size)
            self.numbers[key] = numbers
        return numbers

    def find_route(self, request: "Request") -> str:
        """The route that is for a request, as "GET /led/<int:pin>", of which a board tells "GET /led/<int>"."""
        prefix = ""
        path = request.path
        app: "App | None" = self.top
        while app:
            if type(app.routes) is not dict:  # it finds its handlers itself
                known = request.method in webhal.routing.methods(app)
                return request.method + " " + prefix + "/<path>" if known else _UNMATCHED
            for method in (request.method, "GET") if request.method == "HEAD" else (request.method,):
                if method + " " + path in app.routes:
                    return method + " " + prefix + path
            inner, rest = webhal.routing.within(app, path)
            if inner is None:
                break
            prefix += path if rest == "/" and path[-1:] != "/" else path[: -len(rest)]
            app = inner
            path = rest
        parts = path.split("/")
        for method in (request.method, "GET") if request.method == "HEAD" else (request.method,):
            for known, segments, handler in getattr(app, "patterns", ()):
                if known == method and webhal.routing.match(segments, parts) is not None:
                    label = self.labels.get(id(segments))
                    if label is None:
                        label = self.labels[id(segments)] = _pattern(segments, handler)
                    return method + " " + prefix + label
        return _UNMATCHED

    def show(self, request: "Request") -> "Response":
        """A handler: all numbers."""
        body: "Any" = self.write()
        if sys.implementation.name == "cpython":
            body = "".join(body)
        return webhal.response.Response(body, 200, {"Content-Type": _TYPE})

    def write(self) -> "Iterator[str]":
        """The lines, some at a time: a board has not the memory for all."""
        server: "Any" = self.top.server
        numbers: "Any" = self.numbers
        connections = len(server.slots)
        memory = None
        if sys.implementation.name == "cpython":
            memory = _resident()
            if self.shared:
                self.look()
                numbers, connections, memory = self.shared.total()
        keys = sorted(numbers)
        yield _head("webhal_requests_total", "counter", "Answers, by route and status.")
        for key in keys:
            if len(numbers[key]) == 1 and key:
                route, status = key.rsplit(" ", 1)
                yield 'webhal_requests_total{%s,status="%s"} %d\n' % (_labels(route), status, numbers[key][0])
        name = "webhal_request_duration_seconds"
        yield _head(name, "histogram", "From when a handler can begin until its answer does.")
        for key in keys:
            if len(numbers[key]) > 1:
                labels = _labels(key[:-1])
                lines = ""
                total = 0
                for bound, value in zip(_SECONDS.split(), numbers[key]):
                    total += value
                    lines += '%s_bucket{%s,le="%s"} %d\n' % (name, labels, bound, total)
                took = numbers[key][-1]
                lines += "%s_sum{%s} %d.%03d\n" % (name, labels, took // 1000, took % 1000)
                yield lines + "%s_count{%s} %d\n" % (name, labels, total)
        sent = numbers[_BYTES][0] if _BYTES in numbers else 0
        yield _one("webhal_response_body_bytes_total", "counter", "Bytes of bodies whose length an answer tells.", sent)
        yield _one("webhal_connections", "gauge", "Open connections.", connections)
        if memory is not None:
            yield _one("process_resident_memory_bytes", "gauge", "Resident memory.", memory)
        if sys.implementation.name != "cpython":
            heap: "Any" = gc
            yield _one("webhal_heap_free_bytes", "gauge", "Heap that is free.", heap.mem_free())
            yield _one("webhal_heap_used_bytes", "gauge", "Heap that is in use, or garbage.", heap.mem_alloc())
            signal = _signal(server.network)
            if signal is not None:
                yield _one("webhal_wifi_signal_dbm", "gauge", "Strength of the WiFi signal.", signal)

    if sys.implementation.name == "cpython":

        def look(self) -> None:
            """Write down what other processes cannot see."""
            server: "Any" = self.top.server
            self.shared.look(len(server.slots), _resident() or 0)


def _pattern(segments: "list[Any]", handler: "Any") -> str:
    """The path of a pattern."""
    names: "list[str]" = []
    if sys.implementation.name == "cpython":  # boards do not know them
        names = list(inspect.signature(handler).parameters)[1:]
    parts = []
    for segment in segments:
        if type(segment) is tuple:
            kind = segment[0]
            if names:
                name = names.pop(0)
                kind = name if kind == "str" else kind + ":" + name
            segment = "<" + kind + ">"
        parts.append(segment)
    return "/".join(parts)


def _labels(route: str) -> str:
    method, path = route.split(" ", 1)
    path = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return 'method="%s",route="%s"' % (method, path)


def _head(name: str, kind: str, words: str) -> str:
    return "# HELP %s %s\n# TYPE %s %s\n" % (name, words, name, kind)


def _one(name: str, kind: str, words: str, value: int) -> str:
    return "%s%s %d\n" % (_head(name, kind, words), name, value)


def _signal(network: "Any") -> "int | None":
    """dBm of the access point to which a board's `network` is joined, if its port knows."""
    try:
        return webhal.platform("signal").strength(network)  # type: ignore[no-any-return]
    except ImportError:
        return None


if sys.implementation.name == "cpython":

    def _resident() -> "int | None":
        """Bytes of memory that this process has, where the system tells by a file (Linux)."""
        try:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return None


class Health(App):
    """An application that answers 200 while the server serves, and 503 while it stops, or while a check fails."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: "list[Callable[[], Any]]" = []
        self.get("/")(self.answer)

    def check(self, function: "Callable[[], Any]") -> "Callable[[], Any]":
        """Decorator: a function, def or async, that fails when it returns False or raises, which is logged."""
        if not callable(function):
            raise webhal.mistakes.uncallable(function)
        self.checks.append(function)
        return function

    async def answer(self, request: "Request") -> "Response":
        """A handler."""
        failing = []
        for check in self.checks:
            try:
                result = check()
                if hasattr(result, "send"):
                    result = await result
            except Exception as error:
                webhal.log.log(error)
                result = False
            if result is False:
                failing.append(getattr(check, "__name__", "check"))
        app: "App" = self
        while hasattr(app, "parent"):
            app = app.parent
        stopping = app.server and app.server.stopping
        told: "dict[str, Any]" = {"status": "stopping" if stopping else "failing" if failing else "ok"}
        if failing:
            told["failing"] = failing
        return webhal.response.Response(told, 503 if stopping or failing else 200, {"Cache-Control": "no-store"})
