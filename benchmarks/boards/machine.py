"""Stands in for a board's module, which phew imports and the benchmark does not use."""
