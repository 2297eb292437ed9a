"""How the key groups of a file differ from those that it should have."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from secrettool.sops.keygroups import KeyGroup


class GroupDiff(NamedTuple):
    """One position among the groups; keys are told apart by their text.

    Attributes:
        common: Keys that are in both, in the order of the wanted group.
        added: Keys that the file lacks.
        removed: Keys that it should not have.
    """

    common: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there is a difference; order does not count."""
        return bool(self.added or self.removed)


def diff_groups(have: Sequence[KeyGroup], want: Sequence[KeyGroup]) -> list[GroupDiff]:
    """Compare groups position by position."""
    diffs: list[GroupDiff] = []
    for mine, theirs in zip_longest(have, want, fillvalue=()):
        ours, wanted = [key.text for key in mine], [key.text for key in theirs]
        known, asked = set(ours), set(wanted)
        diffs.append(
            GroupDiff(
                tuple(text for text in wanted if text in known),
                tuple(text for text in wanted if text not in known),
                tuple(text for text in ours if text not in asked),
            )
        )
    return diffs


def shown(diffs: Sequence[GroupDiff]) -> str:
    """The differences in one line: `+ age1... - age1...`."""
    words = [f"{sign} {text}" for diff in diffs for sign, texts in (("+", diff.added), ("-", diff.removed)) for text in texts]
    return " ".join(words) or "another threshold"
