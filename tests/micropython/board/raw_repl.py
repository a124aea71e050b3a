"""Speaks raw REPL on standard input and output, as much as mpremote needs, over the current folder as the flash."""

import os
import sys

ROOT = os.getcwd()
os.umount("/")
os.mount(os.VfsPosix(ROOT), "/")
os.chdir("/")

names = {"__name__": "__main__"}
write = sys.stdout.buffer.write
command = bytearray()
while True:
    byte = sys.stdin.buffer.read(1)
    if not byte:
        break
    if byte == b"\x01" and command == b"\x05A":
        command = bytearray()
        write(b"R\x00")  # raw paste is not spoken
    elif byte == b"\x01":
        write(b"raw REPL; CTRL-B to exit\r\n>")
    elif byte == b"\x04" and not command:
        names = {"__name__": "__main__"}
        write(b"OK\r\nMPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>")
    elif byte == b"\x04":
        write(b"OK")
        try:
            exec(str(command, "utf-8"), names)
            write(b"\x04\x04>")
        except BaseException as error:
            write(b"\x04")
            sys.print_exception(error)
            write(b"\x04>")
        command = bytearray()
    elif byte in b"\x02\x03":
        command = bytearray()
    elif command or byte != b"\r":
        command.extend(byte)
