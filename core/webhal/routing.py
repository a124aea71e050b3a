"""Routes beyond a fixed path and method: parameters, mounted applications, HEAD, OPTIONS, 405; loaded when used."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App, Handler
    from webhal.http import Request


def match(segments: "list[Any]", parts: "list[str]") -> "list[Any] | None":
    """The values of the parameters if the path's `parts` fit the `segments`, else None."""
    count = len(segments)
    if len(parts) != count and (len(parts) < count or segments[-1] != ("path",)):
        return None
    values: "list[Any]" = []
    for segment, part in zip(segments, parts):
        if segment == part:
            pass
        elif type(segment) is str:
            return None
        elif segment[0] == "path":
            values.append("/".join(parts[count - 1 :]))
        elif segment[0] == "int":
            if not part.encode().isdigit() or len(part) > 4300:  # more digits are too many for CPython
                return None
            values.append(int(part))
        elif part:
            values.append(part)
        else:
            return None
    return values


def handle(app: "App", request: "Request", path: str) -> "Any":
    """What the handler for `path` returns, or a hook before it. Raises HTTPError where there is none."""
    for hook in app.before:
        result = hook(request)
        if result is not None:
            request.handler = hook
            return result
    if not app.plain and request.method + " " + path not in app.routes:
        inner, rest = within(app, path)
        if inner:
            request.app = inner
            return handle(inner, request, rest)
    handler, values = find(app, request.method, path)
    if handler:
        return handler(request, *values)
    allowed = allow(app, path)
    if request.method == "OPTIONS" and (allowed or path == "*"):
        return None, 204, {"Allow": allowed} if allowed else {}
    if request.method not in methods(app):
        request.keep = False  # for it may be the rest of something else
        raise webhal.errors.HTTPError(501)
    if allowed:
        raise webhal.errors.HTTPError(405, "", {"Allow": allowed})
    raise webhal.errors.HTTPError(404)


def within(app: "App", path: str) -> "tuple[App | None, str]":
    """The mounted application that answers for a path, and the path in it; (None, path) if there is none."""
    for prefix, mounted in () if app.plain else getattr(app, "mounts", ()):
        if path == prefix or path.startswith(prefix + "/"):
            return mounted, path[len(prefix) :] or "/"
    return None, path


def find(app: "App", method: str, path: str) -> "tuple[Handler | None, list[Any]]":
    """(handler, values of its parameters) for a method and path, (None, []) if there is none."""
    handler = app.routes.get(method + " " + path)
    if handler:
        return handler, []
    patterns = getattr(app, "patterns", ())
    if patterns:
        parts = path.split("/")
        for known, segments, handler in patterns:
            if known == method:
                values = match(segments, parts)
                if values is not None:
                    return handler, values
    return find(app, "GET", path) if method == "HEAD" else (None, [])


def allow(app: "App", path: str) -> str:
    """The value of Allow for a path: the methods that it has, "" if it has none."""
    found = []
    for method in methods(app):
        if method != "OPTIONS" and find(app, method, path)[0]:
            found.append(method)
    return ", ".join(found + ["OPTIONS"]) if found else ""


def methods(app: "App") -> "list[str]":
    """The methods that an application knows: those of RFC 9110, and others that it has routes for."""
    found = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT".split()
    known = list(app.routes)
    for pattern in getattr(app, "patterns", ()):
        known.append(pattern[0])
    for route in known:
        method = route.split(" ")[0]
        if method not in found:
            found.append(method)
    return found


def streams(app: "App", request: "Request") -> bool:
    """Whether the handler for a request reads the body itself."""
    path = request.path
    inner: "App | None" = app
    while inner:
        app = inner
        inner, path = within(app, path) if request.method + " " + path not in app.routes else (None, path)
    return bool(app.streamed) and find(app, request.method, path)[0] in app.streamed
