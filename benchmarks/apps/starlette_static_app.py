"""Static files on Starlette, for uvicorn."""

import os

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

app = Starlette(routes=[Mount("/static", StaticFiles(directory=os.environ["WEBHAL_BENCHMARK_FILES"]))])
