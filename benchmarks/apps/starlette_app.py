"""The benchmark application on Starlette, for uvicorn."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


async def hello(request):
    return PlainTextResponse("Hello, world!")


async def user(request):
    id = request.path_params["id"]
    return JSONResponse({"id": id, "name": f"user {id}"})


async def echo(request):
    return Response(await request.body())


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/users/{id:int}", user),
        Route("/echo", echo, methods=["POST"]),
    ]
)
