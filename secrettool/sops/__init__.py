"""The SOPS file format, pure: bytes and values in, bytes and values out.

No file, network, clock, environment or randomness of its own: nonces and time are arguments.
"""
