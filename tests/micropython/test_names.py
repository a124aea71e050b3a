"""MicroPython keeps names, and the characters that some operations make, for ever: none that a client chose."""

import json
import re
import socket
from pathlib import Path
from urllib.parse import quote

SERVED = Path(__file__).resolve().parent / "served"
MEMORY = 64 << 10  # for all of webhal, and what it takes to print the names
CHARACTERS = [chr(code) for code in range(0x21, 0x180) if code != 0x7F]
WORDS = CHARACTERS + [2 * character for character in CHARACTERS]


def test_of_clients_are_not_kept(serve_code, compiled, tmp_path):
    server = serve_code([compiled, SERVED], "import names_app; names_app.main(PORT)", MEMORY)
    use(server, "warming")
    use(server, '";\xe9')  # which a cookie cannot carry, and a field not in UTF-8: what tells that is loaded now
    before = names(server, tmp_path)
    assert "warming" not in before
    assert "set_cookie" in before
    for word in WORDS:
        use(server, word)
    kept = names(server, tmp_path) - before
    assert not kept


def use(server, word):
    """Send `word` wherever an application, or what refuses, looks at it."""
    escaped = quote(word, safe="").encode()
    plain = word.encode("ascii", "replace")
    fields = b"X: %s\r\nY: %s\r\nCookie: a=%s\r\n" % (word.encode(), word.encode("latin-1", "replace"), word.encode())
    target = b"/used/" + escaped
    assert ask(server, b"GET", target, fields).startswith(b"HTTP/1.1 200 ")
    form = fields + b"Content-Type: application/x-www-form-urlencoded\r\n"
    assert ask(server, b"POST", target, form, b"word=" + escaped).endswith(b"\r\n\r\n" + word.encode())
    document = json.dumps({"word": word, word: word}, ensure_ascii=False).encode()
    answer = ask(server, b"POST", target, b"Content-Type: application/json\r\n", document)
    assert answer.endswith(b"\r\n\r\n" + word.encode())
    ask(server, b"GET", target + b"?again=" + escaped, fields)
    for method, target in ((b"GET", plain), (b"GET", b"/" + plain), (plain, b"/"), (b"GET", b"/ " + plain)):
        ask(server, method, target, fields)
    ask(server, b"GET", b"/", plain + b": a\r\n")
    ask(server, b"GET", b"/", b"Content-Length: " + plain + b"\r\n")


def ask(server, method, target, fields, body=b""):
    """The whole response."""
    if body:
        fields += b"Content-Length: %d\r\n" % len(body)
    with server.connect() as client:
        client.sendall(b"%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n%s" % (method, target, fields, body))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def names(server, folder):
    """Those that the server's MicroPython keeps, of which it prints a list."""
    assert b" 200 " in ask(server, b"GET", b"/names", b"")
    log = (folder / "server.log").read_text()
    return set(re.findall(r"Q\((.*)\)", log[log.rindex("qstr pool:") :]))
