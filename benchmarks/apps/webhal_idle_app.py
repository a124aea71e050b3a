"""hello on webhal with room for many idle connections: `python webhal_idle_app.py PORT CONNECTIONS`."""

import sys

from webhal_app import app

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), host="127.0.0.1", connections=int(sys.argv[2]), deadlines=(10, 20, 600, 20))
