"""Stands in for a library that tinyweb imports, and says nothing."""


class Logger:
    def error(self, text):
        pass

    exception = error


def getLogger(name):
    return Logger()
