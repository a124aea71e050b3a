"""examples/dashboard.py in two windows of Chromium, which stay in step; without asyncio and in it."""

from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/dashboard.py"
STATE = "document.getElementById('state').textContent"
CELSIUS = "document.getElementById('now').textContent"
# Pixels that the curve has drawn.
DRAWN = (
    "[...document.getElementById('past').getContext('2d').getImageData(0, 0, 600, 160).data]"
    ".filter((value, place) => place % 4 == 3 && value).length"
)


@pytest.fixture(scope="module")
def windows(browser, tmp_path_factory):
    other = type(browser)(tmp_path_factory.mktemp("browser"))
    yield browser, other
    other.close()


@pytest.mark.parametrize("loop", ["", "import asyncio\n"])
def test_two_windows_stay_in_step(start, windows, tmp_path, loop):
    (tmp_path / "dashboard.py").write_text(loop + EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    process = start.webhal("run", "dashboard.py", "--host", "127.0.0.1", "--port", "0", cwd=tmp_path)
    url = process.line(r"(http://127\.0\.0\.1:\d+/)")[1]
    for window in windows:
        window.open(url)
    for number, state in enumerate(("off", "on", "off", "on")):
        for window in windows:
            window.until(f"{STATE} == '{state}'")
        windows[number % 2].evaluate("document.getElementById('light').click()")
    for window in windows:
        window.until(f"{STATE} == 'off' && values.length > 2 && {DRAWN} > 20")
    shown = windows[0].evaluate("values")
    windows[1].until(f"String(values).includes('{','.join(map(str, shown[-2:]))}')")
    assert windows[0].evaluate(CELSIUS).endswith(" \u00b0C")
    windows[0].screenshot(tmp_path / "dashboard.png")
    windows[0].open("about:blank")  # its window is closed: the other goes on
    windows[1].evaluate("document.getElementById('light').click()")
    windows[1].until(f"{STATE} == 'on'")
    windows[1].open("about:blank")
    process.popen.terminate()
    assert process.end() == (0, "")
