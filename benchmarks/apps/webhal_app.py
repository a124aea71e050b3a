"""The benchmark application on webhal: `webhal run webhal_app.py`."""

from webhal import App

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!"


@app.get("/users/<int:id>")
def user(request, id):
    return {"id": id, "name": f"user {id}"}


@app.post("/echo")
def echo(request):
    return request.body
