"""JSON behind a middleware that checks a field, on Starlette, for uvicorn."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route


class OnlyWhoKnowsTheKey:
    """Pure ASGI, and the scope's own list of fields: Starlette's other ways cost more."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and (b"x-key", b"1234") not in scope["headers"]:
            await PlainTextResponse("Unauthorized", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def user(request):
    id = request.path_params["id"]
    return JSONResponse({"id": id, "name": f"user {id}"})


app = Starlette(routes=[Route("/users/{id:int}", user)], middleware=[Middleware(OnlyWhoKnowsTheKey)])
