"""docs/scaling.md as it stands: its application in two processes with one Redis, and its files for containers."""

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from programs import tool

from webhal.testing.boards.machine import reserve_port

PATIENCE_S = 60  # for what takes a moment; the rest is for a machine under load

PAGE = (Path(__file__).resolve().parents[2] / "docs/scaling.md").read_text("utf-8")
FILES = dict(re.findall(r"(?ms)^```\w+ (\S+)\n(.*?)^```$", PAGE))
CMD = json.loads(re.search(r"(?m)^CMD (.*)$", FILES["Dockerfile"])[1])
UVICORN = shlex.split(re.search(r"(?m)^    (uvicorn service:.*)$", PAGE)[1])
COMPOSE = yaml.safe_load(FILES["compose.yaml"])
DEPLOYMENT, SERVICE = yaml.safe_load_all(FILES["house.yaml"])


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


@pytest.fixture
def redis(tmp_path):
    """The environment with the URL of a Redis."""
    path = tmp_path / "redis.sock"
    command = [tool("redis-server"), "--port", "0", "--unixsocket", path, "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    yield {**os.environ, "REDIS_URL": f"unix://{path}"}
    process.kill()
    process.wait()


class Service:
    """The application in a process of its own."""

    def __init__(self, command, folder, environment):
        self.connections = []
        with reserve_port() as reserved:
            self.port = reserved.getsockname()[1]
            command = [word.replace("8000", str(self.port)) for word in command]
            for place in [place for place, word in enumerate(command) if word == "--host"]:
                command[place + 1] = "127.0.0.1"
            program = Path(sys.executable).with_name(command[0])
            self.process = subprocess.Popen(
                [program, *command[1:]], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            self.until_healthy()

    def until_healthy(self):
        test = COMPOSE["services"]["web"]["healthcheck"]["test"]
        assert test[:2] == ["CMD", "python"]
        command = [sys.executable, *(word.replace("8000", str(self.port)) for word in test[2:])]
        end = time.monotonic() + PATIENCE_S
        while subprocess.run(command, stderr=subprocess.DEVNULL, timeout=PATIENCE_S).returncode:
            assert self.process.poll() is None and time.monotonic() < end, self.process.stdout.read()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.connections.append(connection)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        return connection.getresponse()

    def end(self):
        """Leave, and wait for its end: the exit code."""
        for connection in self.connections:
            connection.close()
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def service(folder, redis):
    """service(command, environment): a Service until the test's end."""
    services = []

    def serve(command, **environment):
        services.append(Service(command, folder, {**redis, **environment}))
        return services[-1]

    yield serve
    for each in services:
        each.process.kill()
        each.end()


def test_two_processes_one_topic_and_the_end(service):
    environment = COMPOSE["services"]["web"]["environment"].copy()
    assert environment.pop("REDIS_URL")
    own = service(CMD, **environment)
    other = service(UVICORN)
    streams = [each.ask("GET", "/temperature") for each in (own, other)]
    with own.ask("POST", "/temperature", '{"celsius": 21.5}') as response:
        assert response.status == 200
    for stream in streams:
        lines = [stream.readline() for _ in range(5)]
        assert lines == [b":\n", b"\n", b"id: 1\n", b'data: {"celsius": 21.5}\n', b"\n"]
    own.process.terminate()
    assert streams[0].read() == b""  # it ends with the server
    assert own.end() == 0
    streams[1].close()
    other.process.terminate()
    assert other.end() in (0, -signal.SIGTERM)  # uvicorn ends itself by the signal that it got


def test_other_commands_name_what_there_is(folder):
    commands = re.findall(r"(?m)^    ((?:uvicorn|hypercorn|granian) .*)$", PAGE)
    assert len(commands) == 4
    for command in map(shlex.split, commands):
        assert "service:application" in command
        program = Path(sys.executable).with_name(command[0])
        told = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=PATIENCE_S).stdout
        for option in [word for word in command if word.startswith("--")]:
            assert option in told, (command[0], option)


def test_the_container_has_what_its_command_needs(folder):
    words = FILES["Dockerfile"].split()
    for file in ("requirements.txt", "house.py"):
        assert file in words and (folder / file).exists()
    assert re.search(r"file:///srv/(\S+)", FILES["requirements.txt"])[1] in words and "/srv" in words
    assert ["EXPOSE", "8000"] == words[words.index("EXPOSE") :][:2] and "8000" in CMD


def test_compose_and_caddy_know_each_other(folder):
    services = COMPOSE["services"]
    assert services["web"]["environment"]["REDIS_URL"] == "redis://redis:6379" and "redis" in services
    assert services["proxy"]["volumes"] == ["./Caddyfile:/etc/caddy/Caddyfile:ro"]
    told = subprocess.run(
        [tool("caddy"), "adapt", "--config", "Caddyfile"],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert b'"name":"web"' in told.stdout and b'"port":"8000"' in told.stdout and b'":80"' in told.stdout


def test_kubernetes_asks_where_it_serves_and_waits_for_its_end():
    pod = DEPLOYMENT["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == SERVICE["spec"]["selector"]
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert SERVICE["spec"]["ports"][0]["targetPort"] == "http"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > sleep + 10
