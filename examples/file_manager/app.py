"""A file manager: lists the files of a folder, takes uploads of any size, sends files, deletes them.

    pip install '.[templates]' && webhal run examples/file_manager/app.py

The folder is `files` in the current one; on a board that is /files. Whoever reaches the server may do all that: where
others are in the network, put a password before it (docs/application.md, Hooks).
"""

import os
import sys

from webhal import App, abort, redirect
from webhal.multipart import parts
from webhal.static import StaticFiles, send_file, static_url
from webhal.templates import render

PORT = 8000
# On a board not beside the application, which may lie in ROM, or in a folder that the next deployment leaves.
FOLDER = ("" if sys.platform not in ("linux", "darwin", "win32") else os.getcwd().rstrip("/")) + "/files"
REGULAR = 0x8000  # in the mode of a file that is neither a folder nor a device

app = App()
app.mount("/static", StaticFiles("static"))


def listed():
    """(name, bytes) of each file, but for hidden ones."""
    found = []
    for name in sorted(os.listdir(FOLDER)):
        status = os.stat(FOLDER + "/" + name)
        if name[0] != "." and status[0] & REGULAR:
            found.append((name, status[6]))
    return found


def path_of(name):
    """Where the file is that a client names: one that it was shown, no other."""
    if name not in [known for known, _ in listed()]:
        abort(404, "there is no such file")
    return FOLDER + "/" + name


@app.get("/")
def page(request):
    return render(
        "files.html", files=listed(), style=static_url("file_manager.css"), script=static_url("file_manager.js")
    )


@app.post("/", stream=True)
async def upload(request):
    async for part in parts(request):
        if part.filename:
            if part.filename[0] == ".":
                abort(422, "a hidden file")
            await part.save(FOLDER + "/" + part.filename)
    return redirect("/", 303)


@app.get("/files/<name>")
def download(request, name):
    return send_file(path_of(name), {"Content-Disposition": "attachment"})


@app.post("/delete")
def delete(request):
    os.remove(path_of(request.form["name"]))
    return redirect("/", 303)


@app.error(OSError)
def full(request, error):
    return "This cannot be stored; is the board full?\n", 507


def prepare():
    """Make the folder, and remove what was being uploaded when the power went."""
    if "files" not in os.listdir(FOLDER[: -len("/files")] or "/"):
        os.mkdir(FOLDER)
    for name in os.listdir(FOLDER):
        if name.startswith(".upload-"):
            os.remove(FOLDER + "/" + name)


prepare()
if __name__ == "__main__":
    app.run(port=PORT)
