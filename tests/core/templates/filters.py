from webhal.templates import Markup


def celsius(value, digits=1):
    """Degrees as HTML."""
    return Markup("%%.%df&deg;C" % digits) % value


def _private(value):
    return value
