"""Key groups: how master keys hold the data key."""

from __future__ import annotations

import os

import pytest

from secrettool.errors import ConfigError, DataKeyError, ExitCode, SecrettoolError, UsageError
from secrettool.sops.envelope import DataKey
from secrettool.sops.keygroups import (
    KeyFailure,
    KeyGroup,
    KeyGroups,
    MasterKey,
    parse_decryption_order,
    rewrap_data_key,
    unwrap_data_key,
    wrap_data_key,
)

DATA_KEY = DataKey(bytes(range(32)))


class BoxKeyring:
    """A keyring whose boxes are labels: it opens those that it is told to."""

    def __init__(self, *opens: str) -> None:
        self.opens = set(opens)
        self.boxes: dict[str, bytes] = {}
        self.tried: list[str] = []

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """Put the part into a numbered box."""
        if key.text == "broken":
            raise KeyFailure(["the service is away"], hint="start it")
        label = f"box{len(self.boxes)}"
        self.boxes[label] = part
        return MasterKey(key.kind, key.fields, label)

    def unwrap(self, key: MasterKey) -> bytes:
        """Open a box whose key is at hand."""
        self.tried.append(key.text)
        if key.text not in self.opens:
            raise KeyFailure(["no identity", "no agent"], hint="set SOPS_AGE_KEY_FILE")
        return self.boxes[key.enc]


def age(*names: str) -> KeyGroup:
    return tuple(MasterKey("age", {"recipient": name}) for name in names)


def test_every_key_of_one_group_holds_the_whole_data_key() -> None:
    ring = BoxKeyring("b")
    groups = wrap_data_key([age("a", "b")], 0, DATA_KEY, ring, os.urandom)
    assert set(ring.boxes.values()) == {DATA_KEY}
    assert unwrap_data_key(groups, 0, ring) == DATA_KEY


def test_several_groups_need_the_threshold() -> None:
    ring = BoxKeyring("a", "c")
    groups = wrap_data_key([age("a"), age("b"), age("c")], 2, DATA_KEY, ring, os.urandom)
    assert unwrap_data_key(groups, 2, ring) == DATA_KEY
    assert ring.tried == ["a", "b", "c"]
    ring.opens = {"a"}
    with pytest.raises(DataKeyError, match="threshold of 2, but only 1"):
        unwrap_data_key(groups, 2, ring)


def test_failure_names_every_key_and_reason() -> None:
    ring = BoxKeyring()
    groups = wrap_data_key([age("a", "b")], 0, DATA_KEY, ring, os.urandom)
    with pytest.raises(DataKeyError) as caught:
        unwrap_data_key(groups, 0, ring)
    text = str(caught.value)
    assert "Group 0: FAILED" in text and "  a: FAILED" in text and "  b: FAILED" in text and "    - | no agent" in text
    assert caught.value.hint == "set SOPS_AGE_KEY_FILE"
    assert caught.value.code == ExitCode.DATA_KEY_UNAVAILABLE


def test_keys_are_tried_in_decryption_order() -> None:
    ring = BoxKeyring()
    group = (MasterKey("kms", {"arn": "k"}), MasterKey("pgp", {"fp": "p"}), *age("a"))
    with pytest.raises(DataKeyError):
        unwrap_data_key([group], 0, ring)
    assert ring.tried == ["a", "p", "k"]
    ring.tried.clear()
    with pytest.raises(DataKeyError):
        unwrap_data_key([group], 0, ring, ("kms",))
    assert ring.tried == ["k", "p", "a"]


@pytest.mark.parametrize("groups", [[], [()], [age("a"), ()]])
def test_an_empty_group_is_refused(groups: list[KeyGroup]) -> None:
    with pytest.raises(ConfigError, match="empty key group"):
        wrap_data_key(groups, 0, DATA_KEY, BoxKeyring(), os.urandom)


@pytest.mark.parametrize("threshold", [1, 4])
def test_a_threshold_out_of_range_is_refused(threshold: int) -> None:
    with pytest.raises(ConfigError, match="Shamir"):
        wrap_data_key([age("a"), age("b"), age("c")], threshold, DATA_KEY, BoxKeyring(), os.urandom)


def test_one_key_that_cannot_wrap_fails_the_whole_and_is_named() -> None:
    with pytest.raises(SecrettoolError, match='master key "broken": the service is away') as caught:
        wrap_data_key([age("a", "broken")], 0, DATA_KEY, BoxKeyring(), os.urandom)
    assert caught.value.hint == "start it"


def test_the_same_share_twice_is_refused() -> None:
    ring = BoxKeyring("a", "b")
    groups = wrap_data_key([age("a"), age("b")], 2, DATA_KEY, ring, os.urandom)
    twice = (groups[0], (MasterKey("age", {"recipient": "b"}, groups[0][0].enc),))
    with pytest.raises(DataKeyError, match="duplicate part"):
        unwrap_data_key(twice, 2, ring)


def test_a_data_key_of_another_length_is_refused() -> None:
    ring = BoxKeyring("a")
    groups = wrap_data_key([age("a")], 0, DataKey(b"short"), ring, os.urandom)
    with pytest.raises(DataKeyError, match="5 bytes"):
        unwrap_data_key(groups, 0, ring)


def test_decryption_order_refuses_a_word_twice() -> None:
    assert parse_decryption_order("pgp,age,unknown") == ("pgp", "age", "unknown")
    with pytest.raises(UsageError) as caught:
        parse_decryption_order("age,age")
    assert caught.value.code == ExitCode.DUPLICATE_DECRYPTION_KEY_TYPE


def test_rewrap_keeps_entries_of_keys_that_stay() -> None:
    ring = BoxKeyring("c")
    old = KeyGroups(wrap_data_key([age("a", "b")], 0, DATA_KEY, ring, os.urandom), 0)
    new = rewrap_data_key(old, KeyGroups((age("b", "c"),), 0), DATA_KEY, ring, os.urandom)
    assert new[0][0] == old.groups[0][1]
    assert new[0][1].enc not in {key.enc for key in old.groups[0]}
    assert unwrap_data_key(new, 0, ring) == DATA_KEY


def test_rewrap_deals_new_shares_when_the_threshold_changes() -> None:
    ring = BoxKeyring("a", "b", "c")
    old = KeyGroups(wrap_data_key([age("a"), age("b"), age("c")], 2, DATA_KEY, ring, os.urandom), 2)
    assert rewrap_data_key(old, old, DATA_KEY, ring, os.urandom) == old.groups
    new = rewrap_data_key(old, KeyGroups(old.groups, 3), DATA_KEY, ring, os.urandom)
    assert unwrap_data_key(new, 3, ring) == DATA_KEY
    assert ring.boxes[new[0][0].enc] != ring.boxes[old.groups[0][0].enc]
