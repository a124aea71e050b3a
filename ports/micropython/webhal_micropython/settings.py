"""Reading settings.toml: NAME = "text" or NAME = 1, the lines of TOML that CircuitPython's boards use as well."""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTINGS = {  # by their names in the file; the values are the names of Network's arguments
    "CIRCUITPY_WIFI_SSID": "ssid",
    "CIRCUITPY_WIFI_PASSWORD": "password",
    "WEBHAL_AP_SSID": "ap_ssid",
    "WEBHAL_AP_PASSWORD": "ap_password",
    "WEBHAL_HOSTNAME": "hostname",
    "WEBHAL_COUNTRY": "country",
    "WEBHAL_ADDRESS": "address",
    "WEBHAL_POWER_SAVE": "power_save",
}


def read(path: str, given: "dict[str, Any]") -> "dict[str, Any]":
    """The settings of the file, if there is one, and those that are `given`, which win. Raises OSError in words."""
    settings: "dict[str, Any]" = {}
    try:
        with open(path) as file:
            for line in file:
                equals = line.find("=")
                name = line[:equals].strip("\ufeff \t")  # some editors begin a file with that sign
                if name in SETTINGS:
                    try:
                        settings[SETTINGS[name]] = _value(line[equals + 1 :].strip())
                    except ValueError:
                        raise OSError("%s: %s is to be a number, or a text in quotes" % (path, name))
    except UnicodeError:
        raise OSError(path + " is to be saved as UTF-8")
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    for name in given:
        if name != "nic" and name not in SETTINGS.values():
            raise TypeError("Network has no setting " + repr(name))
        settings[name] = given[name]
    return settings


def _value(text: str) -> "str | int":
    """An integer, or a text in double quotes with the escapes that matter, or in single ones. Raises ValueError."""
    quote = text[:1]
    value = ""
    index = 1
    while quote in ("'", '"') and index < len(text):
        character = text[index]
        index += 1
        if character == quote:
            rest = text[index:].strip()
            if rest and rest[0] != "#":
                break
            return value
        if character == "\\" and quote == '"':
            character = text[index : index + 1]
            index += 1
            if character not in ("\\", '"'):
                break
        value += character
    return int(text.split("#")[0])
