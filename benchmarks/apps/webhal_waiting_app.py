"""webhal_app.py with room for many clients, and handlers that wait: `python webhal_waiting_app.py PORT CONNECTIONS`."""

import sys

from webhal_app import app

from webhal import sleep_ms
from webhal.topic import Event

HOUR = 3600  # seconds: longer than any measurement
never = Event()


@app.get("/sleep")
async def sleep(request):
    await sleep_ms(1000 * HOUR)


@app.post("/upload", stream=True)
async def upload(request):
    while await request.read(4096):
        pass


@app.get("/event")
async def event(request):
    await never.wait()


if __name__ == "__main__":
    limits = {"connections": int(sys.argv[2]), "deadlines": {"idle": HOUR, "rest": HOUR}}
    app.run(port=int(sys.argv[1]), host="127.0.0.1", **limits)
