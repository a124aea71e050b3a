"""webhal's port to CPython: sockets and clock of a PC, and the command line."""
