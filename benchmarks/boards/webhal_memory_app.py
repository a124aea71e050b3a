"""The benchmark application on webhal, which also tells how much heap is in use."""

import gc
import sys

from webhal_app import app


@app.get("/memory")
def memory(request):
    gc.collect()
    return "%d" % gc.mem_alloc()


@app.get("/modules")
def modules(request):
    return "\n".join(sys.modules)


def main(port, connections):
    app.run(port=port, connections=64, deadlines=(60, 60, 60, 60))
