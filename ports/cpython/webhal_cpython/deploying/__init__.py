"""Deploying: puts an application and what it needs of webhal on a board, and makes sure that it serves."""


class DeployError(Exception):
    """Says in one line what went wrong and what to do."""
