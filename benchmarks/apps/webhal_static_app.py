"""Static files on webhal, without an event loop."""

import os

from webhal import App
from webhal.static import StaticFiles

app = App()
app.mount("/static", StaticFiles(os.environ["WEBHAL_BENCHMARK_FILES"]))
