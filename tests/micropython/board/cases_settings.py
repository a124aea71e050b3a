"""Reading settings.toml. Runs on MicroPython."""

import os

import network as board
from virtual import failure, start

from webhal_micropython import settings


def read(text, **given):
    with open("settings.toml", "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    try:
        return settings.read("settings.toml", given)
    finally:
        os.remove("settings.toml")


def refusal(text):
    try:
        read(text)
    except OSError as error:
        return error.args[0]
    raise AssertionError("no OSError")


def test_all_names():
    assert read(
        'CIRCUITPY_WIFI_SSID = "a"\nCIRCUITPY_WIFI_PASSWORD = "b"\nWEBHAL_AP_SSID="c"\nWEBHAL_AP_PASSWORD="d"\n'
        'WEBHAL_HOSTNAME = "e"\nWEBHAL_COUNTRY = "DE"\nWEBHAL_ADDRESS = "1.2.3.4,5,6,7"\nWEBHAL_POWER_SAVE = 0\n'
    ) == {
        "ssid": "a",
        "password": "b",
        "ap_ssid": "c",
        "ap_password": "d",
        "hostname": "e",
        "country": "DE",
        "address": "1.2.3.4,5,6,7",
        "power_save": 0,
    }


def test_what_a_text_may_contain():
    for line, value in (
        ('"plain"', "plain"),
        ('""', ""),
        ('" spaces  within "', " spaces  within "),
        ('"a#b=c"', "a#b=c"),
        ('"a" # why', "a"),
        ('"a"# "b"', "a"),
        ('"say \\\\"hi\\\\""'.replace("\\\\", "\\"), 'say "hi"'),
        ('"back\\\\slash"', "back\\slash"),
        ('"ends with \\\\"', "ends with \\"),
        ('"ü €"', "ü €"),
        ("'as it is \\'", "as it is \\"),
    ):
        for before, after in (("", ""), ("\n", "\n"), ("# settings\n\n", "\r\n")):
            assert read(before + "CIRCUITPY_WIFI_SSID = " + line + after) == {"ssid": value}, line


def test_numbers():
    for line, value in (("0", 0), ("1 # always", 1), ("+1", 1)):
        assert read("WEBHAL_POWER_SAVE = " + line) == {"power_save": value}


def test_what_others_use_is_passed_over():
    others = '# webhal\n[section]\nCIRCUITPY_WEB_API_PORT = 8080\nMOTTO = it\'s "not" TOML\n'
    assert read(others + 'CIRCUITPY_WIFI_SSID="a"\n= "b"\n') == {"ssid": "a"}


def test_refused():
    for line in ("home", "", "home # no quotes", "1.5", '"home', '"home\\"', '"home\\n"', "'home", '"a" b'):
        words = refusal("CIRCUITPY_WIFI_SSID = " + line + "\n")
        assert words == "settings.toml: CIRCUITPY_WIFI_SSID is to be a number, or a text in quotes", (line, words)


def test_what_editors_make_of_it():
    assert read('\ufeffCIRCUITPY_WIFI_SSID = "a"\r\n  WEBHAL_COUNTRY\t=\t"DE"') == {"ssid": "a", "country": "DE"}
    assert refusal(b'# \xfc\nCIRCUITPY_WIFI_SSID = "a"\n') == "settings.toml is to be saved as UTF-8"


def test_arguments_win():
    assert read('CIRCUITPY_WIFI_SSID="a"\nWEBHAL_HOSTNAME="lamp"\n', ssid="b") == {"ssid": "b", "hostname": "lamp"}


def test_no_file():
    assert settings.read("settings.toml", {}) == {}


def test_joining_with_the_file():
    with open("settings.toml", "w") as file:
        file.write('CIRCUITPY_WIFI_SSID = "home"\nCIRCUITPY_WIFI_PASSWORD = "secret 12"\n')
    try:
        port = start("esp8266")
        port.up(30_000)
        assert port.address() == board.ADDRESS
        with open("settings.toml", "w") as file:
            file.write("CIRCUITPY_WIFI_SSID = home\n")
        assert failure(start("esp8266")).startswith("/settings.toml: ")
    finally:
        os.remove("settings.toml")
