"""What test_names.py talks to: uses all that a client may send, and prints the names that MicroPython keeps."""

import micropython
from webhal import App, Response

app = App()


@app.route("/used/<path:word>", methods=["GET", "POST"])
def use(request, word):
    values = [value for _, value in request.headers.items()]
    if not request.body:
        response = Response(" ".join([word, repr(request.cookies.items())] + values))
        for name, value in request.args.items():
            response.set_cookie(name, value)
        return response
    return (request.form if "form" in request.headers["content-type"] else request.json)["word"]


@app.get("/names")
def names(request):
    micropython.qstr_info(1)
    return ""


def main(port):
    app.run(port=port)
