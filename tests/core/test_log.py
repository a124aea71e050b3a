"""The log: it takes whatever there is, and never raises. That a traceback is printed: test_errors.py."""

import sys

import webhal.log


def test_what_standard_error_does_not_take_is_lost():
    class Full:
        def write(self, text):
            raise OSError(28, "no space left on device")

    class Closed:
        def write(self, text):
            raise ValueError("I/O operation on closed file")

    if sys.implementation.name != "cpython":
        return  # where nothing can be put in the place of sys.stderr
    saved = sys.stderr
    for stream in (Full(), Closed()):
        sys.stderr = stream
        try:
            webhal.log.log(RuntimeError("lost"))
        finally:
            sys.stderr = saved


def test_who_takes_reports_gets_the_error_itself():
    error = RuntimeError("in a handler")
    taken = []
    webhal.log.report = taken.append
    try:
        webhal.log.log(error)
    finally:
        webhal.log.report = None
    assert taken == [error]
