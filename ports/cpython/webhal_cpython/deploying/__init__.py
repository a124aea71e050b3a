"""Deploying: puts an application and what it needs of webhal on a board, and makes sure that it serves.

- deploy.py, devices.py, monitor.py: the commands
- finding.py: which boards there are; a TARGET's board
- board.py: what every board is to the commands, its Facts and its operations
- serial_board.py: MicroPython over a serial line, by mpremote
- drive.py, workflow.py, circuitpython.py: CircuitPython's drive, its web workflow, and what they have in common
- console.py: what a board prints
- project.py: what a project's pyproject.toml says to deploy
- library.py, fileset.py, settings.py: what a board shall have: webhal's own files, all files, settings.toml
- asking.py: what the user is asked for
- plan.py: what is to be sent and removed
- rom.py: the ROM partition that some boards have
- memory.py: how much of a board's memory an application takes
- verify.py: a request to the board that was deployed to
- watching.py: the next save, and what the board says until then
- together.py, progress.py: several boards at the same time; what is shown meanwhile
"""


class DeployError(Exception):
    """Says in one line what went wrong and what to do."""
