"""`webhal run`: serves an application file on this machine; begins in command.py."""
