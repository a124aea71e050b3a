"""Reason phrases."""

import sys

from webhal.response import phrase


def test_known():
    assert phrase(200) == "OK"
    assert phrase(404) == "Not Found"
    assert phrase(505) == "HTTP Version Not Supported"


def test_unknown_has_none():
    for status in (299, 418, 499, 599, 203, 999):
        assert phrase(status) == "", status


def test_all_are_those_of_the_registry():
    if sys.implementation.name != "cpython":
        return
    from http import HTTPStatus

    # RFC 9110 renamed some, and so did CPython 3.13.
    renamed = {
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        422: "Unprocessable Content",
    }
    told = {status: phrase(status) for status in range(200, 600) if phrase(status)}
    assert len(told) > 30
    for status, words in told.items():
        assert words == renamed.get(status, HTTPStatus(status).phrase)
