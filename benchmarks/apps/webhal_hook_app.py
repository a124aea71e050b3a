"""JSON behind a hook that checks a field, on webhal: `webhal run webhal_hook_app.py`."""

from webhal import App, abort

app = App()


@app.before_request
def only_who_knows_the_key(request):
    if request.headers.get("x-key") != "1234":
        abort(401)


@app.get("/users/<int:id>")
def user(request, id):
    return {"id": id, "name": f"user {id}"}
