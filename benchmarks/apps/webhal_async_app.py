"""hello on webhal by a handler that is async and does not wait: `webhal run webhal_async_app.py`."""

from webhal import App

app = App()


@app.get("/")
async def hello(request):
    return "Hello, world!"
