"""Metrics as Prometheus reads them, as processes share them, and as boards know their signal."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from webhal import App, counters
from webhal.metrics import FOLDER, Metrics
from webhal.testing import TestClient

PORTS = Path(__file__).resolve().parents[2] / "ports"

fcntl = pytest.importorskip("fcntl")


def measured():
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/<name>")(lambda request, name: (name, 404 if name == "none" else 200))
    app.mount("/metrics", Metrics())
    return app


def read(client):
    """{(name, labels): value} of all samples."""
    text = client.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


def answered(found, route, status="200", method="GET"):
    return found.get(("webhal_requests_total", ("method", method), ("route", route), ("status", status)), 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where processes share their numbers."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def leave(shared):
    """What becomes of a process's file when the process ends, whatever it ends of."""
    fcntl.flock(shared.file, fcntl.LOCK_UN)


def test_prometheus_reads_every_line():
    app = measured()
    app.get('/"quoted"\\')(lambda request: "x")
    client = TestClient(app)
    for path in ("/", "/a", "/none", '/"quoted"\\', "/un/known"):
        client.get(path)
    text = client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {name: family.type for name, family in families.items()} == {
        "webhal_requests": "counter",
        "webhal_request_duration_seconds": "histogram",
        "webhal_response_body_bytes": "counter",
        "webhal_connections": "gauge",
        "process_resident_memory_bytes": "gauge",
    }
    assert all(family.documentation for family in families.values())
    told = {sample.labels["route"] for sample in families["webhal_requests"].samples}
    assert told == {"/", "/<name>", '/"quoted"\\', "unmatched"}
    # Of each route as many buckets as bounds, rising, and the last the count.
    buckets = {}
    for sample in families["webhal_request_duration_seconds"].samples:
        if sample.name.endswith("_bucket"):
            buckets.setdefault(sample.labels["route"], []).append(sample)
        elif sample.name.endswith("_count"):
            values = [each.value for each in buckets[sample.labels["route"]]]
            assert values == sorted(values) and values[-1] == sample.value and len(values) == 12
            bounds = [float(each.labels["le"]) for each in buckets[sample.labels["route"]]]
            assert bounds == sorted(bounds) and bounds[-1] == float("inf")


def test_processes_are_summed_and_the_dead_stay(folder):
    apps = [measured() for _ in range(3)]
    clients = [TestClient(app) for app in apps]
    for count, client in enumerate(clients, 1):
        for _ in range(count):
            client.get("/")
    clients[2].get("/a")
    found = read(clients[0])
    assert answered(found, "/") == 6 and answered(found, "/<name>") == 1
    assert found[("webhal_response_body_bytes_total",)] == 6 * 5 + 1
    assert found[("webhal_request_duration_seconds_count", ("method", "GET"), ("route", "/"))] == 6
    memory = found[("process_resident_memory_bytes",)]
    for client in clients[1:]:
        client.network.connect()
        client.get("/metrics")  # it tells its own
    found = read(clients[0])
    assert found[("webhal_connections",)] == 5
    leave(apps[1].mounts[0][1].shared)
    leave(apps[2].mounts[0][1].shared)
    found = read(clients[0])
    assert answered(found, "/") == 6
    assert found[("webhal_connections",)] == 1 and found[("process_resident_memory_bytes",)] < memory / 2


def test_a_new_process_counts_on_in_the_file_of_a_dead_one(folder):
    for count in range(1, 5):
        app = measured()
        client = TestClient(app)
        client.get("/")
        client.get("/none")
        assert answered(read(client), "/") == count and answered(read(client), "/<name>", "404") == count
        leave(app.mounts[0][1].shared)
    assert [file.name for file in folder.iterdir()] == ["%2Fmetrics.0"]


def test_two_metrics_of_one_application_are_not_summed(folder):
    app = measured()
    app.mount("/more", Metrics())
    client = TestClient(app)
    client.get("/")
    assert answered(read(client), "/") == 1


def test_other_files_in_the_folder_are_left_alone(folder):
    (folder / "notes").write_text("x")
    (folder / "%2Fmetrics.old").write_text("x")
    (folder / "%2Fmetrics.7").write_text("")  # which a process has just made
    client = TestClient(measured())
    client.get("/")
    assert answered(read(client), "/") == 1


def test_numbers_for_which_a_file_has_no_room_are_this_processs_own(folder):
    shared = counters.Shared(str(folder), "full")
    numbers = {str(n): shared.add(str(n) * 200, 100) for n in range(2000)}
    for each in numbers.values():
        each[99] += 1
    sums, _, _ = shared.total()
    assert 500 < len(sums) < 2000 and all(len(each) == 100 and each[99] == 1 for each in sums.values())
    again = dict.fromkeys(counters._records(shared.view[: shared.head[0]]))
    assert [key for key, _, _ in again] == list(sums)


def test_what_was_not_whole_is_not_there(folder):
    """A process was killed while it made room for a new key."""
    shared = counters.Shared(str(folder), "killed")
    shared.add("first", 1)[0] = 7
    used = shared.head[0]
    shared.add("second", 2)[1] = 9
    shared.head[0] = used
    leave(shared)
    shared = counters.Shared(str(folder), "killed")
    assert list(shared.numbers) == ["first"] and shared.numbers["first"][0] == 7
    assert list(shared.add("other", 2)) == [0, 0]


def test_a_folder_that_is_not_there_is_told(folder, monkeypatch):
    monkeypatch.setenv(FOLDER, str(folder / "none"))
    with pytest.raises(FileNotFoundError, match="none"):
        TestClient(measured()).get("/")


def test_signal_of_boards():
    def status(what):
        assert what == "rssi"
        return -61

    strength = runpy.run_path(PORTS / "micropython/webhal_micropython/signal.py")["strength"]
    station = SimpleNamespace(status=status)
    assert strength(SimpleNamespace(nic=station)) == -61
    assert strength(SimpleNamespace(nic=SimpleNamespace(station=station, access_point=None))) == -61
    assert strength(SimpleNamespace(nic=SimpleNamespace(status=lambda: 1))) is None  # LAN
    assert strength(SimpleNamespace(nic=None)) is strength(object()) is None
    strength = runpy.run_path(PORTS / "circuitpython/webhal_circuitpython/signal.py")["strength"]
    assert strength(SimpleNamespace(_radio=SimpleNamespace(ap_info=SimpleNamespace(rssi=-50)))) == -50
    assert strength(SimpleNamespace(_radio=SimpleNamespace(ap_info=None))) is strength(object()) is None
