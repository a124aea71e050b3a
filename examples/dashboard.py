"""A page that shows a temperature as it changes, and switches a light: live, in all windows at once.

The temperature comes by server-sent events, the switch goes by a WebSocket. On an ESP32 with MicroPython it is the
chip's own, on a CircuitPython board the processor's; elsewhere it is made up. Nothing is loaded from other hosts.
"""

from webhal import App, Topic
from webhal.sse import EventStream
from webhal.websocket import websocket

PORT = 8000
SECONDS = 1  # between two measurements

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Dashboard</title>
<style>
body { font: 16px sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em }
output { font-size: 3em }
canvas { width: 100%; height: 10em; border: 1px solid #bbb }
button { font: inherit; padding: .5em 2em }
.on { background: #fd5 }
</style>
</head>
<body>
<h1>Dashboard</h1>
<p><output id="now">&ndash;</output></p>
<canvas id="past" width="600" height="160"></canvas>
<p><button id="light">light</button> <span id="state">connecting</span></p>
<script>
const find = (id) => document.getElementById(id);
const values = [];
new EventSource("/temperature").onmessage = (event) => {
  values.push(JSON.parse(event.data).celsius);
  if (values.length > 60) values.shift();
  find("now").textContent = values[values.length - 1].toFixed(1) + " \\u00b0C";
  const low = Math.min(...values) - 1, high = Math.max(...values) + 1;
  const pen = find("past").getContext("2d");
  pen.clearRect(0, 0, 600, 160);
  pen.beginPath();
  values.forEach((value, place) => pen.lineTo(place * 10, 160 - 160 * (value - low) / (high - low)));
  pen.stroke();
};
let socket;
const connect = () => {
  socket = new WebSocket(location.origin.replace("http", "ws") + "/light");
  socket.onmessage = (event) => {
    find("state").textContent = event.data;
    find("light").className = event.data;
  };
  socket.onclose = () => { find("state").textContent = "connecting"; setTimeout(connect, 1000); };
};
connect();
find("light").onclick = () => socket.send("switch");
</script>
</body>
</html>
"""

app = App()
temperature = Topic(keep=30, last=30)
light = Topic(last=1)
light.publish("off")


def make_sensor():
    """A function that gives degrees Celsius: of this board, or made up."""
    try:
        import esp32

        if hasattr(esp32, "mcu_temperature"):
            return esp32.mcu_temperature
        return lambda: (esp32.raw_temperature() - 32) / 1.8
    except ImportError:
        pass
    try:
        import microcontroller

        return lambda: microcontroller.cpu.temperature
    except (ImportError, NotImplementedError):
        pass
    state = {"celsius": 20.0, "seed": 1}

    def pretend():
        state["seed"] = state["seed"] * 75 % 65537  # any numbers will do
        state["celsius"] += (state["seed"] % 100 - 50) / 100
        return state["celsius"]

    return pretend


measure = make_sensor()


@app.every(SECONDS)
def publish():
    temperature.publish({"celsius": round(measure(), 1)})


@app.get("/")
def page(request):
    return PAGE


@app.get("/temperature")
def stream(request):
    return EventStream(temperature)


@app.get("/light")
@websocket
async def switch(request, ws):
    """Tell the light's state whenever it changes; change it when asked."""
    teller = app.spawn(tell(ws))
    try:
        async for _message in ws:
            light.publish("off" if light.kept[-1] == "on" else "on")
    finally:
        teller.cancel()


async def tell(ws):
    async for state in light:
        await ws.send(state)


if __name__ == "__main__":
    app.run(port=PORT)
