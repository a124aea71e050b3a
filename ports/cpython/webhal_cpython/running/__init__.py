"""`webhal run`: serves an application file on this machine.

- command.py: the command's arguments, and what becomes of them
- configuration.py: the options, from the command line, the environment and pyproject.toml
- runner.py: what App.run does meanwhile
"""
