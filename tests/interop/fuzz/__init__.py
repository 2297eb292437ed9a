"""Differential fuzzing: generated documents and options, given to secrettool and to the real sops, and every answer compared.

`python -m tests.interop.fuzz --documents 10000` runs it and prints a table; `tests/interop/test_fuzz.py` runs a fixed part of it.
"""
