"""Stands in for a library that picoweb imports and the benchmark does not use."""
