"""The benchmark application on socketify's own API: `python socketify_app.py PORT`."""

import sys

from socketify import App, AppListenOptions

app = App(request_response_factory_max_items=200_000)  # its documented setting for throughput


def hello(response, request):
    response.write_header("Content-Type", "text/plain; charset=utf-8").end("Hello, world!")


def user(response, request):
    id = int(request.get_parameter(0))
    response.end({"id": id, "name": f"user {id}"})


async def echo(response, request):
    response.end((await response.get_data()).getvalue())


app.get("/", hello)
app.get("/users/:id", user)
app.post("/echo", echo)

if __name__ == "__main__":
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
    app.run()
