"""Dates as HTTP writes them (RFC 9110, 5.6.7); loaded on platforms whose clock is set."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_DAYS = "ThuFriSatSunMonTueWed"  # 1970-01-01 was a Thursday
_MONTHS = "MarAprMayJunJulAugSepOctNovDecJanFeb"


def http_date(seconds: int) -> str:
    """IMF-fixdate of seconds since 1970-01-01 UTC, for example "Sun, 06 Nov 1994 08:49:37 GMT"."""
    days, rest = divmod(seconds, 86400)
    # Years are counted from 1 March of year 0, so that a leap day ends its year: an era of 400 years
    # has 146097 days, and months from March on follow a rule of five (153 days).
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    weekday = days % 7 * 3
    return "%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        _DAYS[weekday : weekday + 3],
        day - (153 * month + 2) // 5 + 1,
        _MONTHS[3 * month : 3 * month + 3],
        era * 400 + year + (month > 9),
        rest // 3600,
        rest // 60 % 60,
        rest % 60,
    )


def tick(server: "Server") -> None:
    """Give a server's responses their Date (RFC 9110, 6.6.1), where the clock is set."""
    seconds = server.network.unix_time()  # type: ignore[attr-defined] # of net.Optional, and it is there
    server.fields = "" if seconds is None else "Date: %s\r\n" % http_date(seconds)
    server.start = type(server).start.replace(b"\r\n", b"\r\n" + server.fields.encode(), 1)
