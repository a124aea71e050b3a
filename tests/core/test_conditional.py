"""Conditional requests and ranges (RFC 9110, 13 and 14), of files over the fake network."""

from webhal.conditional import matches, parse_date, parse_ranges


def test_dates_have_three_forms():
    expected = (1994, 11, 6, 8, 49, 37)
    for text in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 6 nov 1994 08:49:37 GMT ",
    ):
        assert parse_date(text) == expected, text
    assert parse_date("Fri, 27 Nov 2026 00:22:45 GMT") > expected
    for text in ("", "0", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET"):
        assert parse_date(text) == (), text
    for day, month, year, clock in (
        ("0", "Nov", "1994", "08:49:37"),
        ("32", "Nov", "1994", "08:49:37"),
        ("6", "ovD", "1994", "08:49:37"),
        ("6", "No", "1994", "08:49:37"),
        ("6", "November", "1994", "08:49:37"),
        ("6", "Nov", "x", "08:49:37"),
        ("6", "Nov", "1994", "24:49:37"),
        ("6", "Nov", "1994", "08:60:37"),
        ("6", "Nov", "1994", "08:49:61"),
        ("6", "Nov", "1994", "08:49"),
        ("6", "Nov", "1994", "8.49.37"),
        ("six", "Nov", "1994", "08:49:37"),
    ):
        assert parse_date("Sun, %s %s %s %s GMT" % (day, month, year, clock)) == (), (day, month, year, clock)


def test_entity_tags():
    for tags, strong, weak in (
        ('"a"', True, True),
        ('W/"a"', False, True),
        ("*", True, True),
        (" * ", True, True),
        ('"b", "a"', True, True),
        ('"b",W/"a" , "c"', False, True),
        ('"x,y", "a"', True, True),
        ('"b"', False, False),
        ("a", False, False),
        ('"a', False, False),
        ("", False, False),
        ('"b", *', False, False),
        ('"xa"', False, False),
    ):
        assert (matches(tags, '"a"', False), matches(tags, '"a"', True)) == (strong, weak), tags
    assert not matches('""', "", True)


def test_ranges():
    whole = None
    for text, expected in (
        ("bytes=0-0", [(0, 1)]),
        ("bytes=2-4", [(2, 5)]),
        ("bytes=7-", [(7, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-30", [(0, 10)]),
        ("bytes=0-99999999999999999", [(0, 10)]),
        ("BYTES = 1 - 2", [(1, 3)]),
        ("bytes=0-1,3-4, -1", [(0, 2), (3, 5), (9, 10)]),
        ("bytes=,0-1,,3-4,", [(0, 2), (3, 5)]),
        ("bytes=20-30,0-1", [(0, 2)]),
        ("bytes=10-", []),
        ("bytes=-0", []),
        ("bytes=20-30,40-", []),
        ("bytes=4-2", whole),
        ("bytes=0-1,4-2", whole),
        ("bytes=a-b", whole),
        ("bytes=--1", whole),
        ("bytes=1--", whole),
        ("bytes=-", whole),
        ("bytes=5", whole),
        ("bytes=\xb2-", whole),
        ("bytes=+1-2", whole),
        ("bytes=0-" + "9" * 5000, whole),
        ("items=0-1", whole),
        ("bytes 0-1", whole),
        ("bytes", whole),
        ("", whole),
        ("bytes=0-9,0-9", whole),  # together more than the file
        ("bytes=" + ",".join(["%d-%d" % (n, n) for n in [0, 2, 4, 6, 8] * 5]), whole),
    ):
        assert parse_ranges(text, 10) == expected, text
    many = ",".join(["%d-%d" % (2 * n, 2 * n) for n in range(17)])
    assert parse_ranges("bytes=" + many, 100) is None
    assert len(parse_ranges("bytes=" + many[: many.rfind(",")], 100)) == 16
