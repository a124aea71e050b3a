"""A folder of files that tests of static files serve; on any interpreter."""

import os

from webhal import App
from webhal.static import StaticFiles

SECRET = b"SECRET"


class folder:
    """A folder with files, which is gone afterwards; `with folder(FILES) as path:`, and a secret beside it."""

    def __init__(self, files):
        self.files = files
        self.made = []

    def __enter__(self):
        self.base = "/tmp/webhal-" + "".join(["%02x" % byte for byte in os.urandom(8)])
        self.mkdir(self.base)
        self.write(self.base + "/secret.txt", SECRET)
        path = self.base + "/files"
        self.mkdir(path)
        for name in self.files:
            parts = name.split("/")
            for count in range(1, len(parts)):
                inner = path + "/" + "/".join(parts[:count])
                if inner not in self.made:
                    self.mkdir(inner)
            self.write(path + "/" + name, self.files[name])
        return path

    def mkdir(self, path):
        os.mkdir(path)
        self.made.append(path)

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)
        self.made.append(path)

    def __exit__(self, *error):
        for path in reversed(self.made):
            try:
                (os.rmdir if os.stat(path)[0] & 0x4000 else os.remove)(path)
            except OSError:  # a test has removed it
                pass


def mounted(path, **options):
    app = App()
    app.mount("/static", StaticFiles(path, **options))
    return app
