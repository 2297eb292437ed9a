"""A plugin for age with recipients of its own, run as a program named `age-plugin-interop`. FOR TESTS: it protects nothing.

The plugin that comes with age has an identity but no recipients, so files cannot be encrypted for it by name. This one has both: the data of a
recipient and of its identity are one and the same secret, and a file key is sealed by XOR with its digest. A stanza names its recipient by a tag.

Source: C2SP age-plugin.md (recipient-v1, identity-v1).
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

NAME: Final = "interop"
STANZA: Final = "interop-test"
CHECKSUM: Final = 6  # letters at the end of a bech32 text
COLUMNS: Final = 64
LINE_BYTES: Final = 48


class Command(NamedTuple):
    """One stanza of the conversation."""

    words: tuple[str, ...]
    body: bytes = b""


def receive() -> Command:
    """Read one stanza from stdin."""
    words = tuple(sys.stdin.readline().split()[1:])
    body = b""
    while True:
        line = sys.stdin.readline().strip()
        body += base64.b64decode(line + "=" * (-len(line) % 4))
        if len(line) < COLUMNS:
            return Command(words, body)


def received() -> Iterator[Command]:
    """All stanzas of the first phase; commands that are not known, such as grease, are left out by whoever reads them."""
    while (command := receive()).words[0] != "done":
        yield command


def send(words: tuple[str, ...], body: bytes = b"") -> None:
    """Write one stanza to stdout."""
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[start : start + COLUMNS] for start in range(0, len(text) + 1, COLUMNS)]
    sys.stdout.write("\n".join((" ".join(("->", *words)), *lines, "")))
    sys.stdout.flush()


def ask(words: tuple[str, ...], body: bytes = b"") -> None:
    """Write one stanza and wait for the answer, which says nothing of interest."""
    send(words, body)
    receive()


def secret_of(text: str) -> bytes:
    """What a recipient and its identity have in common."""
    return text.lower().rpartition("1")[2][:-CHECKSUM].encode()


def tag_of(secret: bytes) -> str:
    """How a stanza names its recipient."""
    return hashlib.sha256(b"tag " + secret).hexdigest()[:8]


def sealed(file_key: bytes, secret: bytes) -> bytes:
    """A file key sealed, or a sealed one opened."""
    mask = hashlib.sha256(b"mask " + secret).digest()
    return bytes(one ^ other for one, other in zip(file_key, mask, strict=False))


def wrap() -> None:
    """Speak as recipient-v1."""
    secrets: list[bytes] = []
    file_keys: list[bytes] = []
    for command in received():
        if command.words[0] in ("add-recipient", "add-identity"):
            secrets.append(secret_of(command.words[1]))
        elif command.words[0] == "wrap-file-key":
            file_keys.append(command.body)
    for number, file_key in enumerate(file_keys):
        for secret in secrets:
            ask(("recipient-stanza", str(number), STANZA, tag_of(secret)), sealed(file_key, secret))
    send(("done",))


def unwrap() -> None:
    """Speak as identity-v1."""
    secrets: dict[str, bytes] = {}
    stanzas: list[Command] = []
    for command in received():
        if command.words[0] == "add-identity":
            secret = secret_of(command.words[1])
            secrets[tag_of(secret)] = secret
        elif command.words[0] == "recipient-stanza" and command.words[2] == STANZA:
            stanzas.append(command)
    opened: set[str] = set()
    for stanza in stanzas:
        file, tag = stanza.words[1], stanza.words[3]
        if tag in secrets and file not in opened:
            opened.add(file)
            ask(("file-key", file), sealed(stanza.body, secrets[tag]))
    send(("done",))


if __name__ == "__main__":
    {"--age-plugin=recipient-v1": wrap, "--age-plugin=identity-v1": unwrap}[sys.argv[1]]()
