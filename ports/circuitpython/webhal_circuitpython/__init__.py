"""webhal's port to CircuitPython: socketpool and wifi.radio."""
