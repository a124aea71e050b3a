"""What boards with more memory than an ESP8266 can bear, by the names of Server's arguments."""

limits = {"connections": 6, "head": 4096, "body": 16384, "deadlines": (5, 10, 2, 10), "buffer": 1024}
