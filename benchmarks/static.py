"""Measures static files on this PC, in one run: webhal against nginx, and Starlette: `python benchmarks/static.py`; see
benchmarks/README.md.

Here live the peers, the files and the budgets; the load and the measure are pc.py's.
"""

import argparse
import contextlib
import functools
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

from pc import (
    UVICORN,
    Case,
    Line,
    Peer,
    Unable,
    environment,
    install,
    measure,
    note,
    positive,
    print_budgets,
    print_table,
    serving,
    version,
    webhal,
)

# A file of each size, with so many connections; and webhal's cost as a multiple of a peer's, at most.
FILES = {
    "10 KB": ("ten.bin", 10 << 10, 32, {"nginx": 2, "starlette": 0.1}),
    "100 MB": ("hundred.bin", 100 << 20, 1, {"nginx": 1.2}),
}
FOLDER = "WEBHAL_BENCHMARK_FILES"  # in the environment: the files' folder
# nginx as Debian sets it up (sendfile, tcp_nopush), but with one worker and, as the others, without an access log.
NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:PORT;
        location /static/ {{ alias {folder}/files/; }}
    }}
}}
"""


def peers(folder: Path) -> list[Peer]:
    """webhal first, then the others that are installed, or can be."""
    found = [webhal("webhal_static_app.py")]
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx:
        (folder / "template").write_text(NGINX.format(folder=folder))
        start = f"sed s/PORT/{{port}}/ {folder}/template >{folder}/nginx.conf; exec {nginx} -c {folder}/nginx.conf"
        found.append(Peer("nginx", "", (), ("/bin/sh", "-c", start)))
    else:
        print("nginx is left out: apt install nginx-light")
    command = (*UVICORN, "starlette_static_app:app")
    return [*found, Peer("starlette", "starlette", ("starlette", "uvicorn[standard]"), command)]


def compare(options: argparse.Namespace, programs: Path, core: int, folder: Path) -> None:
    lines = []
    with contextlib.ExitStack() as stack:
        servers = {}
        for peer in peers(folder):
            note(f"starting {peer.name}")
            try:
                if peer.needs:
                    install(programs, peer.needs)
                title = f"{peer.name} {version(programs, peer.package)}" if peer.package else peer.name
                servers[title] = stack.enter_context(serving(peer.command, programs, core))
            except Unable as reason:
                print(f"{peer.name} is left out: {reason}")
        for title, (name, size, connections, budgets) in FILES.items():
            content = random.Random(name).randbytes(size)
            (folder / "files" / name).write_bytes(content)
            case = Case(title, (), f"/static/{name}", re.compile(re.escape(content[:1000]) + b".*", re.DOTALL))
            loads = {}
            for peer_title, server in servers.items():
                status, body = server.ask(case, {})
                if (status, body) != (200, content):
                    raise Unable(f"{peer_title} answers {status}, {len(body)} bytes")
                loads[peer_title] = functools.partial(server.load, case, connections, options.seconds)
            results = measure(title, loads, options.rounds)
            print_table(f"{title}, {connections} connections", results)
            costs = {name.split()[0]: result.cpu for name, result in results.items() if result}
            for peer_name, most in budgets.items():
                if "webhal" in costs and peer_name in costs:
                    own, other = costs["webhal"], costs[peer_name]
                    lines.append(Line(f"{title}: {own:,.1f} µs; {peer_name} {other:,.1f}", own / other, most))
    print_budgets(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="measure static files on this PC")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="default: 5")
    parser.add_argument("--seconds", type=positive, default=2, metavar="N", help="of load in each; default: 2")
    options = parser.parse_args()
    try:
        if not sys.platform.startswith("linux") or not shutil.which("wrk"):
            raise Unable("this needs Linux and wrk: apt install wrk")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Unable("two cores are needed, one for the server and one for the load")
        os.sched_setaffinity(0, {cores[1]})
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "files").mkdir()
            os.chmod(folder, 0o755)  # nginx's worker is another user
            os.environ[FOLDER] = f"{folder}/files"
            compare(options, environment(), cores[0], Path(folder))
    except Unable as reason:
        sys.exit(f"static.py: {reason}")
    except KeyboardInterrupt:
        sys.exit("static.py: interrupted")


if __name__ == "__main__":
    main()
