"""Dates as HTTP writes them."""

from webhal.date import http_date
from webhal.date import tick as stamp

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def test_known_dates():
    for seconds, date in (
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),  # RFC 9110, 5.6.7
        (951782399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951868800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (978307199, "Sun, 31 Dec 2000 23:59:59 GMT"),
        (2147483647, "Tue, 19 Jan 2038 03:14:07 GMT"),
        (2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"),
        (4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (13569465599, "Fri, 31 Dec 2399 23:59:59 GMT"),
        (13574476800, "Mon, 28 Feb 2400 00:00:00 GMT"),
        (13574563200, "Tue, 29 Feb 2400 00:00:00 GMT"),
        (13574649600, "Wed, 01 Mar 2400 00:00:00 GMT"),
    ):
        assert http_date(seconds) == date, http_date(seconds)


def test_every_day_follows_the_one_before():
    seconds = 0
    weekday = 4
    for year in range(1970, 2105):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        for month, days in enumerate((31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)):
            for day in range(1, days + 1):
                date = http_date(seconds)
                assert date[:17] == "%s, %02d %s %d " % (_DAYS[weekday], day, _MONTHS[month], year), date
                seconds += 86400
                weekday = (weekday + 1) % 7


def test_every_minute_of_a_day():
    for minute in range(24 * 60):
        assert http_date(60 * minute)[17:] == "%02d:%02d:00 GMT" % divmod(minute, 60)
        assert http_date(60 * minute + 59)[17:] == "%02d:%02d:59 GMT" % divmod(minute, 60)


def test_stamp():
    class Server:  # as much of one as has a part in it
        start = b"HTTP/1.1 200 OK\r\nContent-Length: "

        def __init__(self, seconds):
            self.network = self
            self.unix_time = lambda: seconds

    server = Server(784111777)
    stamp(server)
    assert server.fields == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert server.start == b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: "
    server = Server(None)
    stamp(server)
    assert server.fields == "" and server.start == Server.start
