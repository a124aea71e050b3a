"""webhal's port to MicroPython: sockets, clock and WiFi of ESP8266, ESP32 and their kin."""
