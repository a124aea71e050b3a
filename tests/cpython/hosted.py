"""What the tests of serving in asyncio share: a server in the running loop."""

import asyncio
import contextlib

from webhal import serve

PATIENCE_S = 30


@contextlib.asynccontextmanager
async def serving(app, **limits):
    """The port of a server in the running loop."""
    listening = asyncio.get_running_loop().create_future()
    app.on("listen")(lambda address, port: listening.done() or listening.set_result(port))
    task = asyncio.create_task(serve(app, port=0, host="127.0.0.1", **limits))
    await asyncio.wait([listening, task], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield listening.result() if listening.done() else await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def run(main, runner=asyncio.run):
    """asyncio.run, or another's, bounded."""
    return runner(asyncio.wait_for(main, PATIENCE_S))
