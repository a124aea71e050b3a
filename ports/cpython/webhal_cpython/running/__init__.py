"""`webhal run`: serves an application file on this machine.

- command.py: the command's arguments, and what becomes of them
- configuration.py: the options, from the command line, the environment and pyproject.toml
- logs.py: the loggers webhal.access and webhal.error
- runner.py: what App.run does meanwhile
- address.py: the address that it prints
- debug_page.py: what a failing handler's request is answered with by --debug
"""
