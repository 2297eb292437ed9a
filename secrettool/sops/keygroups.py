"""Master keys, key groups, and how they hold the data key.

One group: every master key seals the whole data key. Several: each group seals one Shamir share of it. What a backend does to seal and open is
behind `Keyring`, which the `keys` package implements.

Source: sops 3.13 sops.go (GenerateDataKey, UpdateMasterKeys, GetDataKeyWithKeyServices), stores/stores.go, keys/*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Seq
from typing import NamedTuple, Protocol, TypeAlias

from secrettool.errors import ConfigError, DataKeyError, ExitCode, SecrettoolError, UsageError
from secrettool.sops.envelope import DATA_KEY_SIZE, DataKey

Fields: TypeAlias = Mapping[str, str | Mapping[str, str]]


class KeyType(NamedTuple):
    """A kind of master key as the metadata knows it.

    Attributes:
        name: Name of its list in the metadata.
        required: Fields that are always written, though they may be empty.
        optional: Fields that are written when they are not empty.
        dated: Whether it has `created_at`.
        text: Its identity as people write it.
        extra: Extra of the package that brings its backend; None when it is always there.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    dated: bool
    text: Callable[[Fields], str]
    extra: str | None


def _scalar(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def _kms_text(fields: Fields) -> str:
    text = _scalar(fields, "arn")
    if role := _scalar(fields, "role"):
        text += "+" + role
    context = fields.get("context") or {}
    if isinstance(context, Mapping) and context:
        text += "|" + ",".join(f"{name}:{context[name]}" for name in sorted(context))
    if profile := _scalar(fields, "aws_profile"):
        text += ("" if context else "|") + "|" + profile
    return text


def _simple(name: str) -> Callable[[Fields], str]:
    return lambda fields: _scalar(fields, name)


KEY_TYPES: Mapping[str, KeyType] = {
    kind.name: kind
    for kind in (
        KeyType("kms", ("arn", "aws_profile"), ("context", "role"), True, _kms_text, "aws"),
        KeyType("gcp_kms", ("resource_id",), (), True, _simple("resource_id"), "gcp"),
        KeyType("hckms", ("key_id",), (), True, _simple("key_id"), "huawei"),
        KeyType(
            "azure_kv",
            ("name", "vault_url", "version"),
            (),
            True,
            lambda f: f"{_scalar(f, 'vault_url')}/keys/{_scalar(f, 'name')}/{_scalar(f, 'version')}",
            "azure",
        ),
        KeyType(
            "hc_vault",
            ("engine_path", "key_name", "vault_address"),
            (),
            True,
            lambda f: f"{_scalar(f, 'vault_address')}/v1/{_scalar(f, 'engine_path')}/keys/{_scalar(f, 'key_name')}",
            None,
        ),
        KeyType("pgp", ("fp",), (), True, _simple("fp"), None),
        KeyType("age", ("recipient",), (), False, _simple("recipient"), None),
    )
}
"""All kinds, in the order in which sops loads them into a group."""

DEFAULT_DECRYPTION_ORDER = ("age", "pgp")


class MasterKey(NamedTuple):
    """A master key and the part of the data key that it sealed.

    Attributes:
        kind: One of `KEY_TYPES`.
        fields: What identifies it (`recipient`, `fp`, `arn`, ...), without `enc` and `created_at`.
        enc: The sealed part in the backend's own text form; empty before the first wrap.
        created_at: RFC 3339, UTC; empty for kinds without a date.
    """

    kind: str
    fields: Fields
    enc: str = ""
    created_at: str = ""

    def __repr__(self) -> str:
        # What it sealed is as good as public, but an armoured age file helps nobody in a message.
        return f"MasterKey(kind={self.kind!r}, text={self.text!r})"

    @property
    def text(self) -> str:
        """The identity as people write it: recipient, fingerprint, ARN, URL."""
        return KEY_TYPES[self.kind].text(self.fields)


KeyGroup: TypeAlias = tuple[MasterKey, ...]


class KeyFailure(Exception):
    """A master key could not wrap or unwrap.

    Args:
        reasons: Each cause on a line of its own, for instance one for every identity tried. Never a key.
        hint: What to try, or None.
    """

    def __init__(self, reasons: Iterable[str], *, hint: str | None = None) -> None:
        self.reasons = tuple(reasons)
        self.hint = hint
        super().__init__("; ".join(self.reasons))


class Keyring(Protocol):
    """All backends together; remembers what it unlocked."""

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """Seal a part of the data key: the same master key with new `enc` and `created_at`.

        Raises:
            KeyFailure: The backend is missing or refused.
        """

    def unwrap(self, key: MasterKey) -> bytes:
        """Open the part that this key sealed.

        Raises:
            KeyFailure: With one reason for everything that was tried.
        """


def parse_decryption_order(text: str) -> tuple[str, ...]:
    """Read `--decryption-order`: a comma list of kinds; unknown words are kept and match nothing.

    Raises:
        UsageError: 112 when a word stands there twice.
    """
    words = tuple(word for word in text.split(",") if word)
    for number, word in enumerate(words):
        if word in words[:number]:
            raise UsageError(f"Duplicate decryption key type: {word}", code=ExitCode.DUPLICATE_DECRYPTION_KEY_TYPE)
    return words


def stated_threshold(threshold: int, groups: int) -> int:
    """The threshold as the metadata states it: 0 stands for all groups and is written out when there are several."""
    return threshold or (groups if groups > 1 else 0)


def shares_of(data_key: DataKey, groups: int, threshold: int, entropy: Callable[[int], bytes]) -> list[bytes]:
    """The part of the data key for each group: the key itself for one group, Shamir shares for several.

    Args:
        data_key: 32 bytes.
        groups: How many key groups there are.
        threshold: Shares needed; 0 means all.
        entropy: Returns that many random bytes.

    Raises:
        ConfigError: The threshold does not fit the number of groups.
    """
    if groups == 1:
        return [data_key]
    from secrettool.sops import shamir

    try:
        return shamir.split(data_key, groups, threshold or groups, entropy)
    except ValueError as error:
        raise ConfigError(
            f"Could not generate data key: [could not split data key into parts for Shamir: {error}]",
            hint=f"the threshold must lie between 2 and the number of key groups ({groups})",
        ) from None


def wrap_data_key(
    groups: Seq[KeyGroup], threshold: int, data_key: DataKey, keyring: Keyring, entropy: Callable[[int], bytes]
) -> tuple[KeyGroup, ...]:
    """Seal the data key for every master key of every group.

    Raises:
        ConfigError: No group, an empty group, or a threshold that does not fit.
        SecrettoolError: A master key failed; the message names each one that did.
    """
    if not groups or any(not group for group in groups):
        raise ConfigError(
            "Could not generate data key: [empty key group provided]",
            hint="give at least one recipient, for instance --age age1...",
        )
    parts = shares_of(data_key, len(groups), threshold, entropy)
    wrapped: list[KeyGroup] = []
    failures: list[str] = []
    hint: str | None = None
    for part, group in zip(parts, groups, strict=True):
        keys: list[MasterKey] = []
        for key in group:
            try:
                keys.append(keyring.wrap(key, part))
            except KeyFailure as failure:
                failures.append(f'failed to encrypt new data key with master key "{key.text}": {failure}')
                hint = hint or failure.hint
        wrapped.append(tuple(keys))
    if failures:
        raise SecrettoolError(f"Could not generate data key: [{'; '.join(failures)}]", hint=hint)
    return tuple(wrapped)


def _group_in_order(group: KeyGroup, order: Seq[str]) -> list[MasterKey]:
    return sorted(group, key=lambda key: order.index(key.kind) if key.kind in order else len(order))


def _failure_report(results: list[list[tuple[MasterKey, KeyFailure]] | None], threshold: int, opened: int) -> str:
    lines = ["Failed to get the data key required to decrypt the SOPS file.", ""]
    for number, failures in enumerate(results):
        lines.append(f"Group {number}: {'SUCCESS' if failures is None else 'FAILED'}")
        for key, failure in failures or ():
            lines.append(f"  {key.text}: FAILED")
            lines.extend(f"    - | {reason}" for reason in failure.reasons)
        lines.append("")
    if len(results) > 1:
        lines.append(
            f"Recovery failed because the file was encrypted with a Shamir threshold of {threshold}, "
            f"but only {opened} part(s) were successfully recovered, one for each successful key group. "
            "In order for SOPS to recover the file, at least as many key groups must succeed as the threshold says."
        )
    else:
        lines.append(
            "Recovery failed because no master key was able to decrypt the file. "
            "In order for SOPS to recover the file, at least one key has to be successful, but none were."
        )
    return "\n".join(lines)


def unwrap_data_key(groups: Seq[KeyGroup], threshold: int, keyring: Keyring, order: Seq[str] = DEFAULT_DECRYPTION_ORDER) -> DataKey:
    """Get the data key out of its groups. Every group is asked, even when enough shares are there.

    Args:
        groups: The groups of the file.
        threshold: `shamir_threshold` of the file; 0 means that any number of shares may be combined, as the reference does.
        keyring: The backends.
        order: Kinds to try first.

    Raises:
        DataKeyError: With a report of every key and reason.
    """
    parts: list[bytes] = []
    results: list[list[tuple[MasterKey, KeyFailure]] | None] = []
    hint: str | None = None
    for group in groups:
        failures: list[tuple[MasterKey, KeyFailure]] = []
        for key in _group_in_order(group, order):
            try:
                parts.append(keyring.unwrap(key))
            except KeyFailure as failure:
                failures.append((key, failure))
                hint = hint or failure.hint
                continue
            results.append(None)
            break
        else:
            results.append(failures)
    needed = 1 if len(groups) == 1 else threshold
    if len(parts) < max(needed, 1):
        raise DataKeyError(_failure_report(results, threshold, len(parts)), hint=hint)
    if len(groups) == 1:
        data_key = parts[0]
    else:
        from secrettool.sops import shamir

        try:
            data_key = shamir.combine(parts)
        except ValueError as error:
            raise DataKeyError(f"could not get data key from shamir parts: {error}") from None
    if len(data_key) != DATA_KEY_SIZE:
        raise DataKeyError(f"the data key has {len(data_key)} bytes instead of {DATA_KEY_SIZE}")
    return DataKey(data_key)


class KeyGroups(NamedTuple):
    """All groups of a file, and how many of them are needed to open it (0 means all)."""

    groups: tuple[KeyGroup, ...]
    threshold: int

    @property
    def needed(self) -> int:
        """How many groups open the file."""
        return stated_threshold(self.threshold, len(self.groups))


def same_keys(groups: Seq[KeyGroup], others: Seq[KeyGroup]) -> bool:
    """Whether both list the same master keys in the same order."""
    return [[(key.kind, key.text) for key in group] for group in groups] == [[(key.kind, key.text) for key in group] for group in others]


def rewrap_data_key(old: KeyGroups, new: KeyGroups, data_key: DataKey, keyring: Keyring, entropy: Callable[[int], bytes]) -> tuple[KeyGroup, ...]:
    """Seal the data key of an existing file for other groups.

    Where every key seals the whole data key (one group before and after), entries of keys that stay are kept as they are, so that a change of
    recipients changes few lines. Shares are always dealt anew when a group or the threshold changes.

    Raises:
        ConfigError: No group, an empty group, or a threshold that does not fit.
        SecrettoolError: A master key failed.
    """
    wrapped = all(key.enc for group in old.groups for key in group)
    alike = len(new.groups) == 1 or old.needed == new.needed
    if same_keys(old.groups, new.groups) and wrapped and alike:
        return old.groups
    if len(new.groups) != 1 or len(old.groups) != 1 or not new.groups[0]:
        return wrap_data_key(new.groups, new.threshold, data_key, keyring, entropy)
    known = {(key.kind, key.text): key for key in old.groups[0] if key.enc}
    missing = tuple(key for key in new.groups[0] if (key.kind, key.text) not in known)
    if missing:
        known.update({(key.kind, key.text): key for key in wrap_data_key((missing,), 0, data_key, keyring, entropy)[0]})
    return (tuple(known[key.kind, key.text] for key in new.groups[0]),)
