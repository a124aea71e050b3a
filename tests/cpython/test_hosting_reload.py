"""`webhal run --reload`: what is saved is served, what is broken is told, and nobody is refused meanwhile."""

import http.client
import os
import signal
import time

import pytest

pytest.importorskip("watchfiles")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes as POSIX has them")

PATIENCE_S = 30

APP = """
import text
from webhal import App

app = App()

@app.get("/")
def home(request):
    return text.TEXT

if __name__ == "__main__":
    app.run(port=0, host="127.0.0.1")
"""


def get(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def until(condition):
    """Wait until it is true."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_saved_is_served_and_what_is_broken_waits_for_the_next_save(start, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    module = tmp_path / "text.py"
    module.write_text("TEXT = ")
    errors = (tmp_path / "errors").open("w+")
    command = "import os, sys; os.dup2(os.open('errors', os.O_WRONLY | os.O_APPEND), 2)\n"
    command += "os.execv(sys.executable, [sys.executable, '-m', 'webhal', 'run', 'app.py', '--reload'])"
    process = start("-c", command, cwd=tmp_path)

    def said():
        errors.seek(0)
        return errors.read()

    until(lambda: said().endswith("webhal: waiting for the next change\n"))
    assert "text.py:1: SyntaxError: " in said() or 'text.py", line 1' in said()
    module.write_text("TEXT = 'first'")
    port = int(process.line(r"^Serving on http://127.0.0.1:(\d+)/ ")[1])
    assert get(port) == "first"
    module.write_text("TEXT = ")
    while not said().endswith("webhal: the new workers do not start, the old ones go on\n"):
        assert get(port) == "first"
    module.write_text("TEXT = 'second'")
    while (text := get(port)) != "second":
        assert text == "first"
    assert process.stop(signal.SIGINT)[0] == 0
    errors.close()
