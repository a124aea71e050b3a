"""The program `webhal`, which is `python -m webhal_cpython`.

Ctrl-C ends it with one line, also while the rest of it loads.
"""

import sys


def main() -> int:
    try:
        from webhal_cpython.cli import main

        return main()
    except KeyboardInterrupt:
        print("webhal: interrupted", file=sys.stderr)
        return 130  # 128 + SIGINT, as shells have it


if __name__ == "__main__":
    sys.exit(main())
