"""What no list of values can show of a request's late attributes: that they agree with what others make of the same."""

import json
import urllib.parse

from hypothesis import example, given, settings
from hypothesis import strategies as st

from webhal.http import Request
from webhal.request import MultiDict, fields
from webhal.unicode import join_surrogates, latin1, repaired, replace

searching = settings(max_examples=400, deadline=None)
odd = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(b"\x80 \xc2 \xe0 \xa0 \xed \x9f \xf0 \x90 \xf4 \x8f a".split()), max_size=8).map(b"".join),
)


@searching
@given(odd)
def test_text_is_repaired_as_pythons_codec_does(data):
    assert str(repaired(data), "utf-8") == replace(data) == data.decode("utf-8", "replace")
    assert latin1(data) == data.decode("latin-1")


@searching
@given(st.lists(st.one_of(odd, st.sampled_from(b"& = + % %4 %41 %c3 %a9 %zz a b".split())), max_size=12).map(b"".join))
@example(b"&&&a=b&&&&c=d&")
@example(b"%EF%BB%BFtest=%EF%BB%BF")
@example("\ufefftest=\ufeff&†&†=x".encode())
@example(b"_charset_=windows-1252&test=%C2x")
@example(b"a==a&=b&%=a&%a=a&%a_=a&%61+%4d%4D=&id=0&value=%")
@example(b"b=%2sf%2a&b=%2%2af%2a&b=%%2a&%FE%FF&%C2&a=a+b+c+d")
def test_forms_are_read_as_pythons_library_does(data):
    request = Request("POST", "/", "/", b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n")
    request.body = data
    text = "".join([chr(byte) if byte < 0x80 else "%%%02x" % byte for byte in data])
    wanted = urllib.parse.parse_qsl(text, keep_blank_values=True)
    assert request.form.items() == wanted
    assert dict(request.form) == dict(reversed(wanted))


@searching
@given(st.recursive(st.text(max_size=6), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)))
def test_json_survives_escapes(value):
    request = Request("POST", "/", "/", b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n")
    request.body = json.dumps(value).encode()
    assert request.json == value


def whole(text):
    """`text` with U+FFFD for lone surrogates."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


surrogates = st.sampled_from(r"\ud83d \uDE00 \udbff \uD800 \udfff \u0041 \\ \n ud83d x".split())


@searching
@given(st.lists(surrogates, max_size=8).map("".join))
def test_surrogates_are_joined_as_pythons_json_does(text):
    joined = join_surrogates(b'"%s"' % text.encode())
    assert json.loads(joined) == whole(json.loads('"%s"' % text))


names = st.sampled_from("a ab x-a accept cookie".split())


@searching
@given(st.lists(st.tuples(names, st.text("abc:,; ", max_size=5)), max_size=50), names)
def test_fields_are_found_one_by_one_as_in_the_list_of_all(pairs, name):
    head = "GET / HTTP/1.1\r\n%s\r\n" % "".join(["%s:%s\r\n" % pair for pair in pairs])
    headers = MultiDict([], head.encode())
    wanted = [(name, value.strip(" ")) for name, value in pairs]
    assert headers.items() == fields(head.encode()) == wanted
    values = [value for known, value in wanted if known == name]
    assert headers.getlist(name.upper()) == values and (name in headers) == bool(values)
    assert headers.get(name, "none") == (("; " if name == "cookie" else ", ").join(values) if values else "none")


pieces = st.sampled_from([b"\r\n", b"\r", b"\n", b":", b" ", b"a", b"A", b"ab", b"x-a", b"X-A:", b"\xe4"])


@searching
@given(st.lists(pieces, max_size=20).map(b"".join), names | st.sampled_from(["", ":", "a:", "x-a:a"]))
def test_in_a_refused_head_too_one_field_is_what_the_list_of_all_has(head, name):
    head = b"GET" + head
    assert MultiDict([], head).getlist(name) == [value for known, value in fields(head) if known == name]
