"""Whether a text looks as if it were a secret that somebody forgot: the form of a known kind of key, or a long word without any pattern.

Time is linear in the length of the text: no expression can begin in the middle of a word that another beginning has run through.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from typing import Final

from secrettool.objects import decode_base64

_KNOWN: Final = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
            r"(?<![A-Za-z0-9])AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{20,}",
            r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,}",
            r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{40,}",
            r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,}",
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"(?<![A-Za-z0-9])(?:hvs|hvb|hvr)\.[A-Za-z0-9_-]{20,}",
            r"(?<![A-Za-z0-9])(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
            r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{32,}",
            r"(?<![A-Za-z0-9])re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}",
            r"(?<![A-Za-z0-9])tskey-[a-z]+-[A-Za-z0-9-]{16,}",
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        )
    )
)
"""Forms that the issuers of keys document."""

_PUBLIC: Final = re.compile(
    r"-----BEGIN (?:CERTIFICATE|PUBLIC KEY|CERTIFICATE REQUEST)-----[^-]*-----END [A-Z ]{1,40}-----"
    r"|(?<![\w-])ssh-[a-z0-9-]{1,40} [A-Za-z0-9+/=]+"
    r"|\bsha(?:1|256|512)[:-][A-Za-z0-9+/=]+"
    r"|ENC\[[^\[\]]*\]"
)
"""What looks random and is meant to be seen."""

_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX: Final = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
_ENTROPY: Final = 4.0
"""Bits for each character: words of people stay below 3.7, 24 characters of random base64 come to 4.2."""
_HEX_ENTROPY: Final = 3.0
"""The same for hexadecimal digits, of which 32 random ones come to 3.6."""


def looks_secret(text: str, tokens: tuple[str, ...] = ()) -> bool:
    """Whether some part of a text looks like a secret; placeholders and the notes that hang on them do not."""
    if _KNOWN.search(text):
        return True
    rest = _PUBLIC.sub(" ", text)
    for token in tokens:
        rest = re.sub(rf"{re.escape(token)}[\w-]*", " ", rest)
    return any(_is_random(word[0]) and not _is_placeholder(word[0], tokens) for word in _WORD.finditer(rest))


def _is_random(word: str) -> bool:
    """Letters of both sizes and digits, or hexadecimal digits, in no order."""
    counts = Counter(word)
    entropy = -sum(count / len(word) * log2(count / len(word)) for count in counts.values())
    if _HEX.fullmatch(word):
        return entropy >= _HEX_ENTROPY and not word.isdecimal()
    is_mixed = re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)
    return bool(is_mixed) and entropy >= _ENTROPY


def _is_placeholder(word: str, tokens: tuple[str, ...]) -> bool:
    """Whether it is the base64 of one, such as the login of a registry."""
    plain = decode_base64(word)
    return plain is not None and any(token.encode("utf-8") in plain for token in tokens)
