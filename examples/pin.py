"""A web page that switches a pin: the LED of a CircuitPython board, a pin of a Raspberry Pi, a pretended one of a PC.

CircuitPython has `board` and `digitalio`; elsewhere Adafruit Blinka brings them: pip install 'webhal[blinka]'. A plain
PC has no pins; there BLINKA_OS_AGNOSTIC=1 in the environment pretends some.
"""

import sys

from webhal import App, abort, redirect

try:
    import board
    import digitalio
except (ImportError, NotImplementedError):
    sys.exit("There is no Adafruit Blinka for this machine; try: pip install 'webhal[blinka]'")

PORT = 8000
PINS = ("LED", "D13", "D18", "Dx_OUTPUT")  # the first of these that there is

PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>A pin</title>
</head>
<body>
<p>%s is %s.</p>
<form method="post">
<button name="to" value="on">on</button>
<button name="to" value="off">off</button>
</form>
</body>
</html>
"""

names = [name for name in PINS if hasattr(board, name)]
if not names:
    sys.exit("This board has no pin called %s; on a plain PC set BLINKA_OS_AGNOSTIC=1" % " or ".join(PINS))
pin = digitalio.DigitalInOut(getattr(board, names[0]))
pin.direction = digitalio.Direction.OUTPUT

app = App()
state = {"pin": "off"}  # not every output can be read


@app.get("/")
def page(request):
    return PAGE % (names[0], state["pin"])


@app.post("/")
def switch(request):
    to = request.form.get("to")
    if to not in ("on", "off"):
        abort(422, "on or off?")
    pin.value = to == "on"
    state["pin"] = to
    return redirect("/", 303)


if __name__ == "__main__":
    app.run(port=PORT)
