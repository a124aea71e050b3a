"""Static files: which file a path means, what is refused, codings, types, files of any size over the fake network.

Conditions and ranges: test_conditional.py.
"""

import os
import sys

from files import SECRET, folder, mounted
from serving import CLOSE, body_of, get, raises, serve

from webhal import App, HTTPError
from webhal.static import StaticFiles, media_type, quality, send_file
from webhal.testing import TestClient

CPYTHON = sys.implementation.name == "cpython"
LARGE = bytes(range(251)) * (280 if CPYTHON else 7)  # that is read in pieces
FILES = {
    "page.html": b"<h1>page</h1>",
    "style.css": b"body {}",
    "empty.txt": b"",
    "large.bin": LARGE,
    "noend": b"?",
    "a b\u00fc%.js": b"a b",
    "sub/index.html": b"index of sub",
    "sub/deep/x.txt": b"x",
    "sub/.hidden": SECRET,
    ".hidden": SECRET,
    "folder.html/x.txt": b"x",
}


def test_get_and_head():
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        for name, kind in (
            ("page.html", "text/html; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("empty.txt", "text/plain; charset=utf-8"),
            ("large.bin", "application/octet-stream"),
            ("noend", "application/octet-stream"),
            ("sub/index.html", "text/html; charset=utf-8"),
            ("sub/deep/x.txt", "text/plain; charset=utf-8"),
        ):
            answer = client.get("/static/" + name)
            assert (answer.status, answer.body) == (200, FILES[name]), name
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Content-Length"] == str(len(FILES[name]))
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert answer.headers["ETag"][0] == answer.headers["ETag"][-1] == '"'
            head = client.head("/static/" + name)
            assert (head.status, head.body) == (200, b"")
            assert sorted(head.headers.items()) == sorted(answer.headers.items())
        assert client.get("/static/a%20b%C3%BC%25.js").text == "a b"
        assert client.get("/static/style.css?v=3").status == 200
        assert client.get("/static/none.css").status == 404
        assert client.head("/static/none.css").status == 404
        refused = client.post("/static/style.css", body="x")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


# -- which file a path means --------------------------------------------------------------------------------


def test_nothing_leads_out_of_the_folder_or_to_a_hidden_file():
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        for target in (
            "/static/../secret.txt",
            "/static/sub/../../secret.txt",
            "/static/..",
            "/static/../",
            "/static/.",
            "/static/./style.css",
            "/static/sub/./deep/x.txt",
            "/static/sub/../style.css",
            "/static/%2e%2e/secret.txt",
            "/static/%2E%2E%2Fsecret.txt",
            "/static/..%2fsecret.txt",
            "/static/%252e%252e/secret.txt",
            "/static/%252e%252e%252fsecret.txt",
            "/static/..%5csecret.txt",
            "/static/..\\secret.txt",
            "/static/%5c..%5csecret.txt",
            "/static/sub%5cdeep%5cx.txt",
            "/static/style.css%00",
            "/static/style.css%00.txt",
            "/static/%00",
            "/static/" + path + "/style.css",
            "/static//" + path[1:] + "/style.css",
            "/static/%2f" + path[1:] + "/style.css",
            "/static//style.css",
            "/static//",
            "/static///style.css",
            "/static/sub//deep/x.txt",
            "/static/C:/secret.txt",
            "/static/C:secret.txt",
            "/static/style.css::$DATA",
            "/static/style.css.",
            "/static/style.css%20",
            "/static/sub./deep/x.txt",
            "/static/sub%20/deep/x.txt",
            "/static/HIDDEN~1",
            "/static/.hidden",
            "/static/.hidden/",
            "/static/sub/.hidden",
            "/static/%2ehidden",
            "/static/style.css/",
            "/static/style.css/index.html",
            "/static/folder.html/",
            "/static/" + "x" * 300,
            "/static/~",
            "/static/%c0%ae%c0%ae/secret.txt",
            "/static/%ff",
            "/staticstyle.css",
        ):
            for method in ("GET",) if "%00" in target or "%c0" in target or "%ff" in target else ("GET", "HEAD"):
                answer = client.request(method, target)
                assert answer.status in (400, 404), (target, answer)
                assert SECRET not in answer.body


def test_a_folder_has_its_page_at_its_path_with_a_slash():
    files = dict(FILES)
    files["index.html"] = b"index"
    with folder(files) as path:
        client = TestClient(mounted(path))
        assert client.get("/static/").body == b"index"
        assert client.get("/static/").headers["Content-Type"] == "text/html; charset=utf-8"
        assert client.get("/static/sub/").body == b"index of sub"
        assert client.get("/static/sub/deep/").status == 404
        for target, place in (
            ("/static", "/static/"),
            ("/static?a=b", "/static/?a=b"),
            ("/static/sub", "/static/sub/"),
            ("/static/sub?x=/y", "/static/sub/?x=/y"),
            ("/static/%73ub", "/static/sub/"),
            ("http://testserver/static/sub", "/static/sub/"),
        ):
            for method in ("GET", "HEAD"):
                answer = client.request(method, target)
                assert (answer.status, answer.headers["Location"]) == (302, place), target


def test_a_redirect_never_leads_to_another_host():
    with folder({"evil.example/index.html": b"x", "a ?#%b/index.html": b"x", "sub/evil/index.html": b"x"}) as path:
        client = TestClient(StaticFiles(path))  # an application on its own
        assert client.get("/evil.example").headers["Location"] == "/evil.example/"
        assert client.get("/a%20%3F%23%25b").headers["Location"] == "/a%20%3F%23%25b/"
        assert client.get("/a%20%3F%23%25b/").body == b"x"
        for target in ("//evil.example", "/%2Fevil.example", "/\\evil.example", "/%5Cevil.example", "///evil.example"):
            assert client.get(target).status == 404, target
        assert (
            client.get("http://evil.example/sub/evil", headers={"Host": "evil.example"}).headers["Location"]
            == "/sub/evil/"
        )


def test_a_folder_must_be_there():
    with folder(FILES) as path:
        for wrong in (path + "/none", path + "/style.css", "none/of/these"):
            assert wrong in str(raises(ValueError, StaticFiles, wrong))


def test_symbolic_links_only_where_allowed():
    if not hasattr(os, "symlink"):
        return
    with folder({"style.css": b"body {}", "sub/x.txt": b"x"}) as path:
        links = (
            ("out.txt", path + "/../secret.txt"),
            ("in.css", "style.css"),
            ("outer", path + "/.."),
            ("inner", "sub"),
            ("sub/back", ".."),
            ("dangling", "nowhere"),
            ("loop", "loop"),
            ("style.css.gz", path + "/../secret.txt"),
        )
        for name, target in links:
            os.symlink(target, path + "/" + name)
        refusing = TestClient(mounted(path))
        following = TestClient(mounted(path, symlinks=True))
        for target, body in (
            ("/static/out.txt", SECRET),
            ("/static/in.css", b"body {}"),
            ("/static/outer/secret.txt", SECRET),
            ("/static/inner/x.txt", b"x"),
            ("/static/sub/back/style.css", b"body {}"),
        ):
            assert refusing.get(target).status == 404, target
            assert following.get(target).body == body, target
        for target in ("/static/dangling", "/static/loop", "/static/loop/x"):
            assert refusing.get(target).status == following.get(target).status == 404
        assert refusing.get("/static/outer").status == 404  # not even that it is a folder
        gzip = {"Accept-Encoding": "gzip"}
        assert refusing.get("/static/style.css", headers=gzip).body == b"body {}"
        assert following.get("/static/style.css", headers=gzip).body == SECRET
        for name, _ in links:
            os.remove(path + "/" + name)


def test_what_is_no_regular_file_is_not_there():
    if not hasattr(os, "mkfifo"):
        return
    with folder({}) as path:
        os.mkfifo(path + "/pipe")  # opening it would wait for who writes
        assert TestClient(mounted(path)).get("/static/pipe").status == 404
        assert TestClient(mounted(path, symlinks=True)).get("/static/pipe").status == 404
        os.remove(path + "/pipe")


# -- types, codings -----------------------------------------------------------------------------------------


def test_types():
    for name, kind in (
        ("a.html", "text/html; charset=utf-8"),
        ("A.HTML", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.woff2", "font/woff2"),
        ("a.unknown", "application/octet-stream"),
        ("folder/html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("a.css js", "application/octet-stream"),
        ("a.html:text/html", "application/octet-stream"),
        ("dir.html/a", "application/octet-stream"),
    ):
        assert media_type(name) == kind, name
    if CPYTHON:
        assert media_type("a.pdf") == "application/pdf"
        assert media_type("a.csv") == "text/csv; charset=utf-8"
        assert media_type("a.tar.gz") == "application/gzip"


def test_weights_of_codings():
    for accept, gzip, br, identity in (
        ("", 0, 0, 0.0001),
        ("gzip", 1, 0, 0.0001),
        ("gzip, deflate, br, zstd", 1, 1, 0.0001),
        ("GZip;Q=0.5", 0.5, 0, 0.0001),
        ("gzip; q=0.5 , br ;q=0.25", 0.5, 0.25, 0.0001),
        ("*", 1, 1, 1),
        ("*;q=0", 0, 0, 0),
        ("gzip;q=0, *;q=0.5", 0, 0.5, 0.5),
        ("*;q=0.5, gzip;q=0", 0, 0.5, 0.5),
        ("identity;q=0", 0, 0, 0),
        ("identity, *;q=0", 0, 0, 1),
        ("gzip;q=x", 0, 0, 0.0001),
        ("gzip;q=", 0, 0, 0.0001),
        ("gzip;q=2, br;q=-1", 0, 0, 0.0001),
        ("gzip;q=nan, br;q=inf", 0, 0, 0.0001),
        ("gzip;level=9;q=0.5", 0.5, 0, 0.0001),
        (",;,=;q,", 0, 0, 0.0001),
        ("xgzip, brr", 0, 0, 0.0001),
    ):
        for coding, weight in (("gzip", gzip), ("br", br), ("identity", identity)):
            assert abs(quality(accept, coding) - weight) < 1e-6, (accept, coding)


def test_compressed_siblings():
    files = {
        "all.css": b"plain",
        "all.css.gz": b"gzip",
        "all.css.br": b"brotli",
        "gz.css": b"plain",
        "gz.css.gz": b"gzip",
        "only.css.gz": b"gzip",
        "both.css.gz": b"gzip",
        "both.css.br": b"brotli",
        "none.css": b"plain",
        "pages/index.html.gz": b"gzip",
    }
    plain, gzip, brotli, refused = (200, "", b"plain"), (200, "gzip", b"gzip"), (200, "br", b"brotli"), 406
    with folder(files) as path:
        client = TestClient(mounted(path))
        for accept, everything, gz, only, both, none in (
            (None, plain, plain, gzip, gzip, plain),
            ("", plain, plain, refused, refused, plain),
            ("gzip", gzip, gzip, gzip, gzip, plain),
            ("gzip, deflate, br", brotli, gzip, gzip, brotli, plain),
            ("br", brotli, plain, refused, brotli, plain),
            ("br;q=0.5, gzip", gzip, gzip, gzip, gzip, plain),
            ("gzip;q=0", plain, plain, refused, refused, plain),
            ("gzip;q=0.5, identity", plain, plain, gzip, gzip, plain),
            ("gzip;q=0, *", brotli, plain, refused, brotli, plain),
            ("*;q=0", plain, plain, refused, refused, plain),
            ("identity;q=0", plain, plain, refused, refused, plain),
            ("zstd", plain, plain, refused, refused, plain),
        ):
            for name, expected in (("all", everything), ("gz", gz), ("only", only), ("both", both), ("none", none)):
                answer = client.get(
                    "/static/%s.css" % name, headers={} if accept is None else {"Accept-Encoding": accept}
                )
                if expected == refused:
                    assert answer.status == refused, (accept, name, answer)
                else:
                    found = (answer.status, answer.headers.get("Content-Encoding", ""), answer.body)
                    assert found == expected, (accept, name, answer)
                    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
                    assert answer.headers["Vary"] == "Accept-Encoding"
        answer = client.get("/static/pages/", headers={"Accept-Encoding": "gzip"})
        assert (answer.body, answer.headers["Content-Type"]) == (b"gzip", "text/html; charset=utf-8")
        assert client.get("/static/all.css.gz").headers.get("Content-Encoding") is None
        tags = [
            client.get("/static/all.css", headers={"Accept-Encoding": coding}).headers["ETag"]
            for coding in ("gzip", "br", "")
        ]
        assert len(set(tags)) == 3
        twice = client.get("/static/both.css", headers={"Accept-Encoding": "zstd\r\nAccept-Encoding: br"})
        assert twice.body == b"brotli"


def test_a_sibling_that_is_older_is_out_of_date():
    if not hasattr(os, "utime"):
        return
    with folder({"a.css": b"plain", "a.css.gz": b"gzip"}) as path:
        client = TestClient(mounted(path))
        for seconds, body in ((0, b"gzip"), (1, b"gzip"), (-2, b"plain")):
            os.utime(path + "/a.css", (1700000000, 1700000000))
            os.utime(path + "/a.css.gz", (1700000000 + seconds, 1700000000 + seconds))
            assert client.get("/static/a.css", headers={"Accept-Encoding": "gzip"}).body == body


def test_cache_control():
    with folder(FILES) as path:
        for cache in ("max-age=60, public", None):
            answer = TestClient(mounted(path, cache=cache)).get("/static/style.css")
            assert answer.headers.get("Cache-Control") == cache
            assert answer.status == 200


def test_a_file_without_a_sensible_time_has_no_validator():
    if not hasattr(os, "utime"):
        return
    with folder({"a.css": b"plain"}) as path:
        os.utime(path + "/a.css", (100, 100))  # as of a board's clock that was never set
        answer = TestClient(mounted(path)).get("/static/a.css", headers={"If-None-Match": '"x"'})
        assert answer.status == 200 and answer.headers.get("ETag") is None
        assert answer.headers.get("Last-Modified") is None


# -- send_file ----------------------------------------------------------------------------------------------


def test_send_file():
    with folder(FILES) as path:
        app = App()
        app.get("/page")(lambda request: send_file(path + "/page.html"))
        app.get("/as")(lambda request: send_file(path + "/page.html", {"content-type": "text/x", "X-A": "b"}))
        app.get("/large")(lambda request: send_file(path + "/large.bin"))
        app.get("/none")(lambda request: send_file(path + "/none.html"))
        app.get("/folder")(lambda request: send_file(path + "/sub"))
        app.get("/relative/<path:name>")(lambda request, name: send_file("files/" + name))

        @app.get("/async")
        async def later(request):
            return send_file(path + "/style.css")

        @app.error(404)
        def missing(request, error):
            return send_file(path + "/page.html")

        @app.after_request
        def hook(request, response):
            response.headers["X-Hook"] = str(response.status)

        client = TestClient(app)
        answer = client.get("/page")
        assert (answer.status, answer.body) == (200, FILES["page.html"])
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8" and answer.headers["X-Hook"] == "200"
        assert answer.headers["ETag"] == TestClient(mounted(path)).get("/static/page.html").headers["ETag"]
        again = client.get("/page", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.body, again.headers["X-Hook"]) == (304, b"", "304")
        answer = client.get("/as")
        assert answer.headers["Content-Type"] == "text/x" and answer.headers["X-A"] == "b"
        assert client.get("/large").body == LARGE
        assert client.get("/large", headers={"Range": "bytes=-3"}).body == LARGE[-3:]
        assert client.get("/async").body == FILES["style.css"]
        assert client.head("/async").headers["Content-Length"] == "7"
        for target in ("/none", "/folder", "/relative/../secret.txt", "/relative/.hidden", "/relative//etc/passwd"):
            answer = client.get(target, headers={"If-None-Match": client.get("/page").headers["ETag"]})
            assert (answer.status, answer.body) == (404, FILES["page.html"]), target
        assert client.post("/page").status == 405


# -- while it is sent ---------------------------------------------------------------------------------------


def test_files_of_any_size_over_a_harsh_network():
    with folder(FILES) as path:
        for seed in (1, 2, 3):
            with serve(mounted(path), seed) as bench:
                for name in ("large.bin", "style.css", "empty.txt"):
                    answer = bench.ask(get("/static/" + name, CLOSE))
                    assert body_of(answer) == FILES[name]
                    assert b"\r\nContent-Length: %d\r\n" % len(FILES[name]) in answer
                two = bench.ask(get("/static/large.bin") + get("/static/style.css", CLOSE))
                assert body_of(two)[: len(LARGE)] == LARGE
                assert body_of(body_of(two)[len(LARGE) :]) == FILES["style.css"]
                assert body_of(bench.ask(get("/static/large.bin", CLOSE, "HEAD"))) == b""


def test_many_at_once():
    with folder(FILES) as path:
        with serve(mounted(path), connections=4) as bench:
            clients = [bench.connect(get("/static/large.bin", CLOSE)) for _ in range(4)]
            bench.until(lambda: all([client.state == "ended" for client in clients]))
            for client in clients:
                assert body_of(client.received) == LARGE
                client.close()


def test_a_file_that_shrinks_while_it_is_sent_ends_that_connection_only():
    for fields in ("", "Range: bytes=100-\r\n", "Range: bytes=0-1,100-\r\n"):
        with folder(FILES) as path, serve(mounted(path)) as bench:
            client = begun(bench, fields)
            with open(path + "/large.bin", "wb") as file:
                file.write(b"short")
            over(bench, client)
            assert len(client.received) < len(LARGE)
            assert len(bench.take_log()) == 1
            client.close()
            assert body_of(bench.ask(get("/static/large.bin", CLOSE))) == b"short"


def begun(bench, fields=""):
    """A client to which the large file is being sent."""
    client = bench.connect(get("/static/large.bin", CLOSE + fields))
    bench.until(lambda: len(client.received) > 300)
    return client


def over(bench, client):
    """Wait until the server has ended that connection."""
    bench.until(lambda: client.state not in ("connecting", "open"))


def test_a_file_that_grows_while_it_is_sent_is_sent_as_promised():
    with folder(FILES) as path:
        with serve(mounted(path)) as bench:
            client = begun(bench)
            with open(path + "/large.bin", "ab") as file:
                file.write(b"more" * 1000)
            over(bench, client)
            bench.take_log()
            assert LARGE.startswith(body_of(client.received)[: len(LARGE)])
            assert len(body_of(client.received)) <= len(LARGE)
            client.close()


def test_a_file_that_vanishes_while_it_is_sent():
    with folder(FILES) as path:
        with serve(mounted(path)) as bench:
            client = begun(bench)
            os.remove(path + "/large.bin")
            over(bench, client)
            assert LARGE.startswith(body_of(client.received))
            client.close()
            assert bench.ask(get("/static/large.bin", CLOSE)).startswith(b"HTTP/1.1 404 ")
            bench.take_log()


def test_hooks_and_events_see_files():
    with folder(FILES) as path:
        app = mounted(path)
        seen = []

        @app.after_request
        def hook(request, response):
            response.headers["X-Status"] = str(response.status)

        app.on("response")(lambda request, status, size: seen.append(status))
        client = TestClient(app)
        tag = client.get("/static/style.css").headers["ETag"]
        assert client.get("/static/style.css", headers={"If-None-Match": tag}).headers["X-Status"] == "304"
        assert client.get("/static/none").headers["X-Status"] == "404"
        assert seen == [200, 304, 404]


def test_a_file_that_vanishes_between_a_look_and_opening_it_is_404():
    with folder(FILES) as path:
        static = StaticFiles(path)
        from webhal.static import File

        name = path + "/large.bin"
        file = File(name, 0, None, "")
        file.suffix = ""
        file.version = (1, 2, 3)
        os.remove(name)
        assert raises(HTTPError, file.read, 0, 10).status == 404
        assert raises(HTTPError, file.open).status == 404
        assert static.folder == path


def test_a_client_that_leaves_closes_the_file():
    with folder(FILES) as path:
        with serve(mounted(path)) as bench:
            begun(bench).close()
            bench.quiet()
