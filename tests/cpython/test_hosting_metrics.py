"""Numbers of several processes that serve the same, of which some are killed while they answer."""

import http.client
import os
import re
import signal
import threading

PATIENCE_S = 30

APP = """
import os
from webhal import App
from webhal.metrics import Health, Metrics

app = App()
app.get("/pid")(lambda request: str(os.getpid()))
app.mount("/metrics", Metrics())
app.mount("/health", Health())
"""
ANSWERED = r'^webhal_requests_total{method="GET",route="/pid",status="200"} (\d+)$'


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def answered(port):
    return int(re.search(ANSWERED, get(port, "/metrics"), re.MULTILINE)[1])


def test_what_a_process_has_counted_stays_when_it_is_killed(start, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(APP)
    folder = tmp_path / "metrics"
    folder.mkdir()
    monkeypatch.setenv("WEBHAL_METRICS_DIR", str(folder))

    def serve():
        process = start.webhal("run", tmp_path / "app.py", "--host", "127.0.0.1", "--port", "0", "--no-access-log")
        return process, int(process.line(r"Serving on http://127.0.0.1:(\d+)/")[1])

    (first, one), (second, two), (_third, three) = serve(), serve(), serve()
    seen = [0, 0, 0]

    def load(place, port):
        """Ask until nobody answers any more."""
        try:
            while seen[place] < 400:
                get(port, "/pid")
                seen[place] += 1
        except (OSError, http.client.HTTPException):
            pass

    clients = [threading.Thread(target=load, args=each) for each in enumerate((one, two, three))]
    for client in clients:
        client.start()
    while seen[1] < 50:
        assert clients[1].is_alive()
    second.popen.send_signal(signal.SIGKILL)
    for client in clients:
        client.join()
    assert seen[0] == seen[2] == 400
    # The last answer of the one that was killed may have been counted and not have arrived.
    assert sum(seen) <= answered(one) <= sum(seen) + 1
    assert answered(three) == answered(one)
    assert first.stop(signal.SIGTERM)[0] == 0
    total = answered(three)
    assert total in (sum(seen), sum(seen) + 1)
    _, again = serve()  # counts on in a file of those that are gone
    get(again, "/pid")
    assert answered(again) == answered(three) == total + 1
    assert len(os.listdir(folder)) == 3
    assert get(again, "/health") == '{"status": "ok"}'


def test_a_folder_that_is_not_there_is_one_line(start, tmp_path, monkeypatch):
    monkeypatch.setenv("WEBHAL_METRICS_DIR", str(tmp_path / "missing"))
    (tmp_path / "app.py").write_text(
        "from webhal import App\nfrom webhal.metrics import Metrics\napp = App()\napp.mount('/metrics', Metrics())\n"
    )
    code, errors = start.webhal("run", "app.py", "--port", "0", cwd=tmp_path).end()
    assert code == 1 and errors.startswith("webhal: app.py: FileNotFoundError: ") and errors.count("\n") == 1
    assert str(tmp_path / "missing") in errors
