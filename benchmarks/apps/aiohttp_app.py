"""The benchmark application on aiohttp's server with uvloop: `python aiohttp_app.py PORT`."""

import sys

import uvloop
from aiohttp import web


async def hello(request):
    return web.Response(text="Hello, world!")


async def user(request):
    id = int(request.match_info["id"])
    return web.json_response({"id": id, "name": f"user {id}"})


async def echo(request):
    return web.Response(body=await request.read())


app = web.Application()
app.add_routes([web.get("/", hello), web.get(r"/users/{id:\d+}", user), web.post("/echo", echo)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, loop=uvloop.new_event_loop())
