"""`python -m webhal.testing.boards [esp8266|esp32|rp2|circuitpython] [--rom]`: a simulated board, until Ctrl-C."""

import argparse
import signal
import sys
import time

from webhal.testing.boards.circuitpython import CircuitPythonBoard
from webhal.testing.boards.machine import CHIPS, MicroPythonBoard


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m webhal.testing.boards", description="A simulated board.")
    parser.add_argument("chip", nargs="?", choices=[*CHIPS, "circuitpython"], default="esp32")
    parser.add_argument("--micropython", metavar="PATH", help="a MicroPython of the unix port (default: on PATH)")
    parser.add_argument("--rom", action="store_true", help="with a ROM partition of 320 KB (MicroPython, on Linux)")
    arguments = parser.parse_args()
    try:
        if arguments.chip == "circuitpython":
            board: MicroPythonBoard = CircuitPythonBoard(executable=arguments.micropython, password="password")
        else:
            board = MicroPythonBoard(
                arguments.chip, executable=arguments.micropython, rom=320 << 10 if arguments.rom else 0
            )
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # lest its folder stays
    with board:
        if isinstance(board, CircuitPythonBoard):
            print(f"drive {board.folder}, console {board.console}, web workflow {board.workflow} (password: password)")
        else:
            print(f"{arguments.chip} at {board.target}")
        print(f"What is deployed to it is at {board.url} (Ctrl-C ends)", flush=True)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            return 0


sys.exit(main())
