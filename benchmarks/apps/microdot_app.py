"""The benchmark application on microdot: `python microdot_app.py PORT`."""

import sys

from microdot import Microdot

app = Microdot()


@app.get("/")
async def hello(request):
    return "Hello, world!"


@app.get("/users/<int:id>")
async def user(request, id):
    return {"id": id, "name": f"user {id}"}


@app.post("/echo")
async def echo(request):
    return request.body


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
