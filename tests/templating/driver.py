"""Renders compiled templates, on a PC and on boards: reads lines "folder TAB template TAB values", writes pages in hex.

`values` is a Python expression, or nothing for those of values.py. An error is written as ! and its text.
"""

import sys

sys.path.insert(0, "")
from binascii import hexlify

from values import generated, values

import webhal.templates
from webhal.templates import gather, load


def render(folder, template, text):
    sys.path[0] = folder
    for name in list(sys.modules):
        if name.split(".")[0] == "templates":
            del sys.modules[name]
    Markup = webhal.templates.Markup = __import__("templates").Markup  # for filters: on a PC it is another
    given = generated(text, Markup) if text else values(Markup)
    return "".join(list(gather(load(template).root(given))))


while True:
    line = sys.stdin.readline()
    if not line:
        break
    try:
        answer = hexlify(render(*line.rstrip("\n").split("\t")).encode()).decode()
    except Exception as error:
        answer = "!%s: %s" % (type(error).__name__, str(error).replace("\n", " "))
    print(answer)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
