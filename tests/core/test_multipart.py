"""Forms with files, as bytes: where parts end, what their heads say, what is refused. In handlers: test_forms.py."""

from serving import raises

from webhal import HTTPError
from webhal.http import Request
from webhal.multipart import parts

FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'
# A file, a field without anything, and one with what may be taken for a boundary.
BODY = (
    b"a line before\r\n--xx\r\n"
    b'content-disposition: form-data; name="f"; filename="a b.txt"\r\nContent-Type: text/plain\r\n\r\n'
    b"1\r\n--x\r\n--xy\r\n\r\n--\r\r\n\r\n--xx \t\r\n"
    b'Content-Disposition: form-data; name="a"\r\n\r\n'
    b"\r\n--xx\r\n"
    b'Content-Disposition: form-data; name="a"\r\n\r\n'
    b"--xxx\r\n--xx-\r\r\n--xx--\r\nafter"
)
READ = [("f", "a b.txt", b"1\r\n--x\r\n--xy\r\n\r\n--\r\r\n"), ("a", None, b""), ("a", None, b"--xxx\r\n--xx-\r")]


def source(kind="multipart/form-data; boundary=xx", body=b""):
    """Parts that are fed; those of a whole body where there is one."""
    request = Request("POST", "/", "/", b"POST / HTTP/1.1\r\nContent-Type: %s\r\n\r\n" % kind.encode())
    request.body = body
    made = parts(request)
    if not body:
        made.last = False
        made.limit = 1000
    return made


def read(made, pieces=(), most=1000):
    """(name, filename, data) of each part, or the status of a refusal."""
    pieces = iter(pieces)
    found = []
    try:
        while True:
            part = made.next()
            if part is None:
                made.feed(next(pieces, b""))
                continue
            if not part:
                return found
            data = b""
            while True:
                piece = made.read_body(most)
                if piece is None:
                    made.feed(next(pieces, b""))
                elif piece:
                    assert len(piece) <= most
                    data += piece
                else:
                    break
            found.append((part.name, part.filename, data))
    except HTTPError as error:
        return error.status


def cut(body, size):
    """`body` in pieces of so many bytes, made one by one: a board has no room for many."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def whole(body, kind="multipart/form-data; boundary=xx"):
    """The same of a body that is here, which must be that of one which comes a byte at a time."""
    found = read(source(kind, body))
    assert read(source(kind), cut(body, 1)) == found, body
    return found


def one(disposition, more=""):
    """(name, filename) of a part with this Content-Disposition, or the status of a refusal."""
    head = ("Content-Disposition: " + disposition + "\r\n" + more).encode()
    found = whole(b"--xx\r\n" + head + b"\r\n1\r\n--xx--")
    return found if isinstance(found, int) else found[0][:2]


# -- where parts end ------------------------------------------------------------------------------------------


def test_every_cut():
    for place in range(1, len(BODY)):
        assert read(source(), [BODY[:place], BODY[place:]]) == READ, place
    for size in (1, 2, 3, 5, 7, 64):
        for most in (1, 4, 1000):
            assert read(source(), cut(BODY, size), most) == READ, (size, most)
    assert read(source(body=BODY)) == read(source(body=BODY), most=1) == READ


def test_a_missing_end_wherever_it_is_cut():
    end = len(BODY) - len(b"\r\nafter")
    for place in range(1, end):
        assert read(source(body=BODY[:place])) == 400, place
        assert read(source(), [BODY[:place]]) == 400, place
    for place in range(end, len(BODY)):
        assert read(source(body=BODY[:place])) == READ, place


def test_preamble_and_epilogue():
    assert whole(b"--xx" + b" " * 62 + b"\r\n" + FIELD + b"1\r\n--xx--") == [("a", None, b"1")]
    for before in (b"", b"\r\n", b"\n\r\n", b"--x\r\n", b"text: a\r\n\r\n--xy\r\n"):
        for after in (b"", b"\r\n", b" \t\r\n", b"\r\n--xx\r\n", b"\r\n--xx--"):
            assert whole(before + b"--xx\r\n" + FIELD + b"1\r\n--xx--" + after) == [("a", None, b"1")], (before, after)
            assert whole(before + b"--xx--" + after) == []
    assert whole(b"text--xx\r\n" + FIELD + b"1\r\n--xx--") == []  # what begins in a line is no delimiter


def test_what_is_no_delimiter_is_data():
    for data in b"--xx |--xxa|--xx-|--xx\r|--xx\n|\r\n--xx \t-|-|\r\n".split(b"|") + [b"--xx" + b" " * 63 + b"\r\n"]:
        body = b"--xx\r\n" + FIELD + data + b".\r\n--xx--"
        assert whole(body) == [("a", None, data + b".")], data


def test_an_empty_line_ends_a_head_and_may_begin_a_delimiter():
    for end in (b"--xx--", b"\r\n--xx--"):
        assert whole(b"--xx\r\n" + FIELD + end) == [("a", None, b"")]
        assert whole(b"--xx\r\n" + FIELD + end[:-2] + b"\r\n" + FIELD + end) == [("a", None, b"")] * 2


def test_a_part_without_a_head_is_told_at_once():
    made = source()
    made.feed(b"--xx")
    assert made.next() is None
    made.feed(b"\r\n\r\n")
    assert raises(HTTPError, made.next).message.endswith("Content-Disposition")


def test_lines_end_with_both():
    for end in (b"\n", b"\r"):
        assert whole((b"--xx\r\n" + FIELD + b"1\r\n--xx--").replace(b"\r\n", end)) == 400
    assert whole(b"--xx\r\n" + FIELD[:-4] + b"\n\r\n1\r\n--xx--") == 400


def test_of_nothing_and_of_anything():
    assert read(source(), []) == 400
    for body in (b"\r\n", b"--", b"a=b", b"--xx", b"--xx\r\n", b"\0" * 200, b"--xx\r\n" * 3):
        assert whole(body) == 400, body


def test_a_part_ends_for_good():
    made = source(body=BODY)
    made.next()
    while made.read_body(9):
        pass
    assert made.read_body(9) == b"" and made.next().name == "a"


# -- heads ----------------------------------------------------------------------------------------------------


def test_names():
    assert one('form-data; name="a"') == ("a", None)
    assert one("form-data; name=a; filename=b.txt") == ("a", "b.txt")
    assert one(' FORM-DATA ;NAME = "a";x=y ; FileName="b" ;') == 400
    assert one(' FORM-DATA ; NAME="a";x=y ; FileName="b" ;') == ("a", "b")
    assert one('form-data; filename="b"; name=""') == ("", "b")
    assert one('form-data; name="a;b=\\"c\\\\"; filename="d"') == ('a;b="c\\', "d")
    assert one('form-data; name="%22%0D%0A%41%zz"') == ('"\r\n%41%zz', None)
    assert one('form-data; name="größe"; filename="日本.txt"') == ("größe", "日本.txt")


def test_names_that_are_not_utf_8_are_iso_8859_1_as_those_of_fields():
    assert whole(b'--xx\r\nContent-Disposition: form-data; name="gr\xf6\xdfe"\r\n\r\n1\r\n--xx--')[0][0] == "größe"


def test_a_filename_is_never_a_path():
    for sent, name in (
        ("a.txt", "a.txt"),
        ("", ""),
        ("/etc/passwd", "passwd"),
        ("../../a.txt", "a.txt"),
        ("a/", ""),
        ("..", ""),
        (".", ""),
        ("...", ""),
        ("a/..", ""),
        ("C:\\\\x\\y.txt", "y.txt"),
        ("C:\\x\\y.txt", "y.txt"),
        ("\\\\\\\\host\\share\\y.txt", "y.txt"),
        ("C:y.txt", "y.txt"),
        ("C:..", ""),
        ("C:D:y.txt", "y.txt"),
        ("a..b", "a..b"),
        (".hidden", ".hidden"),
        ("12:30.txt", "12:30.txt"),
        ("..%2fa", "..%2fa"),
        ("a\\", ""),  # what a browser sends of a file with such a name
    ):
        assert one('form-data; name="f"; filename="%s"' % sent) == ("f", name), sent


def test_filenames_with_a_charset():
    for sent, name in (
        ("UTF-8''na%C3%AFve%20plan.txt", "naïve plan.txt"),
        ("utf-8'de'a%2Fb", "b"),
        ("UTF-8''..%2F..%5C..", ""),
        ("ISO-8859-1''%E4", "ä"),
    ):
        assert one("form-data; name=f; filename*=%s" % sent) == ("f", name), sent
        assert one('form-data; name=f; filename="x"; filename*=%s' % sent) == ("f", name), sent
        assert one('form-data; name=f; filename*=%s; filename="x"' % sent) == ("f", name), sent
    for sent in ("a.txt", "'a.txt", "UTF-8''%ff", "UTF-8''%00", "utf-16''a", "UTF-8''a'b", "UTF-8''%0D%0A"):
        assert one("form-data; name=f; filename*=%s" % sent) == 400, sent


def test_content_disposition():
    for bad in (
        "attachment; name=a",
        "form-data",
        "form-data; filename=a",
        "form-data; name",
        "form-data; name=",
        "form-data; =a",
        'form-data; name="a',
        'form-data; name="a"b',
        'form-data; name="a" filename="b"',
        'form-data; name=a"b',
        "form-data; name=a; =b",
        "form-data; name=a; b c=d",
        "form-data; name=a b",
        "form-data; name=a; name=b",
        'form-data; name="a"; filename="b"; filename="c"',
        "form-data name=a",
        "",
    ):
        assert one(bad) == 400, bad
    assert one("form-data; name=a", "Content-Disposition: form-data; name=a\r\n") == 400
    assert whole(b"--xx\r\nContent-Type: text/plain\r\n\r\n1\r\n--xx--") == 400
    assert whole(b"--xx\r\n\r\n1\r\n--xx--") == 400


def test_fields_of_a_part():
    for bad in ("a", ": a", " a: b", "\ta: b", "a : b", "a: \0", "a: \x7f", "a: b\n", "a: b\rc", "ä: b"):
        assert one("form-data; name=a", bad + "\r\n") == 400, bad
    part = source(body=b"--xx\r\nX-A: 1\r\nx-a:\t2\r\nx:\r\n" + FIELD + b"1\r\n--xx--").next()
    assert part.headers["X-A"] == "1, 2" and part.headers["x"] == "" and len(part.headers) == 4


def test_transfer_encodings_are_refused():
    for coding, outcome in (("base64", 400), ("quoted-printable", 400), ("binary", ("a", None)), ("8BIT", ("a", None))):
        assert one("form-data; name=a", "Content-Transfer-Encoding: %s\r\n" % coding) == outcome
    assert one("form-data; name=a", "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n") == 400


# -- limits ---------------------------------------------------------------------------------------------------


def test_boundaries():
    for boundary in ("a", "-" * 70, "'()+_,-./:=?", "a b"):
        body = b"--%s\r\n%s1\r\n--%s--" % (boundary.encode(), FIELD, boundary.encode())
        assert whole(body, 'multipart/form-data; boundary="%s"' % boundary) == [("a", None, b"1")], boundary
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + 71 * "a",
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a*"',
        "multipart/form-data; boundary=ä",
        "multipart/form-data; boundary=a/b",
        "multipart/form-data; boundary=a; boundary=b",
    ):
        assert raises(HTTPError, source, kind).status == 400, kind
    for kind in ("text/plain", "multipart/mixed; boundary=a", ""):
        assert raises(HTTPError, source, kind).status == 415, kind


def test_many_parts():
    part = b"--xx\r\n" + FIELD
    for count, outcome in ((100, False), (101, 413)):
        made = source()
        left = count
        try:
            while True:
                found = made.next()
                if found is False:
                    break
                if found is None:
                    made.feed(part if left > 0 else b"--xx--" if left == 0 else b"")
                    left -= 1
        except HTTPError as error:
            found = error.status
        assert found == outcome, count


def test_a_large_head():
    field = b'Content-Disposition: form-data; name="a"\r\nX: '
    spare = 1024 - len(b"\r\n" + field)
    for before in (b"", b" \t"):
        fits = b"--xx" + before + b"\r\n" + field + (spare - len(before)) * b"x"
        assert whole(fits + b"\r\n\r\n1\r\n--xx--") == [("a", None, b"1")]
        assert whole(fits + b"x\r\n\r\n1\r\n--xx--") == 431
        assert read(source(), [fits + 10 * b"x"]) == 431


def test_fields_together_are_limited():
    body = b"--xx\r\n" + FIELD + b"123\r\n--xx\r\n" + FIELD.replace(b'"a"', b'"b"') + b"4567\r\n--xx--"
    for limit, outcome in ((7, [("a", None, b"123"), ("b", None, b"4567")]), (6, 413), (3, 413), (2, 413)):
        made = source()
        made.limit = limit
        assert read(made, cut(body, 9)) == outcome, limit
    made = source()
    made.limit = 0
    assert read(made, [BODY[: BODY.find(b"\r\n--xx \t")] + b"\r\n--xx--"]) == READ[:1]
