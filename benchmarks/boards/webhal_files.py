"""sensor on webhal, with files of a folder besides."""

from webhal_sensor import app

from webhal.static import StaticFiles

app.mount("/static", StaticFiles("static"))


def main(port, connections):
    app.run(port=port, connections=connections)
