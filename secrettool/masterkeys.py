"""Master keys that a new file gets: those of a creation rule, or those of options and environment.

Source: sops 3.13 config/config.go (getKeyGroupsFromCreationRule, extractMasterKeys), cmd/sops/main.go (keyGroups).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from secrettool.errors import ConfigError, UsageError
from secrettool.keys import recipients
from secrettool.sops.keygroups import KeyGroup, MasterKey
from secrettool.sops.rules import KEY_LINES, CreationRule, KeyEntry

KEY_VARIABLES: Mapping[str, str] = {
    "kms": "SOPS_KMS_ARN",
    "gcp_kms": "SOPS_GCP_KMS_IDS",
    "hckms": "SOPS_HUAWEICLOUD_KMS_IDS",
    "azure_kv": "SOPS_AZURE_KEYVAULT_URLS",
    "pgp": "SOPS_PGP_FP",
    "hc_vault": "SOPS_VAULT_URIS",
    "age": "SOPS_AGE_RECIPIENTS",
}
"""Environment variable behind each option that names keys, by the field of `ExplicitKeys`."""


class ExplicitKeys(NamedTuple):
    """Keys of options and environment, each a text with commas, in the order in which they form their one group."""

    kms: str = ""
    gcp_kms: str = ""
    hckms: str = ""
    azure_kv: str = ""
    pgp: str = ""
    hc_vault: str = ""
    age: str = ""
    aws_profile: str = ""
    encryption_context: str = ""

    @property
    def given(self) -> bool:
        """Whether any key is named."""
        return any(getattr(self, name) for name in KEY_VARIABLES)

    def context_or_none(self) -> dict[str, str] | None:
        """The encryption context; None when there is none or it is malformed, which `explicit_groups` reports."""
        try:
            return recipients.encryption_context(self.encryption_context) or None
        except UsageError:
            return None


def explicit_keys(
    options: Mapping[str, str | None], environ: Mapping[str, str], *, aws_profile: str = "", encryption_context: str = ""
) -> ExplicitKeys:
    """Collect the keys of options and environment.

    Args:
        options: Value of each option that was given, by the names of `KEY_VARIABLES`; an empty text hides the variable.
        environ: The environment.
        aws_profile: Value of `--aws-profile`.
        encryption_context: Value of `--encryption-context`, `key:value,key:value`.
    """
    chosen: dict[str, str] = {}
    for name, variable in KEY_VARIABLES.items():
        given = options.get(name)
        chosen[name] = environ.get(variable, "") if given is None else given
    return ExplicitKeys(**chosen, aws_profile=aws_profile, encryption_context=encryption_context)


def explicit_groups(explicit: ExplicitKeys) -> tuple[KeyGroup, ...] | None:
    """The one group of options and environment; None when they name no key.

    Raises:
        ConfigError: A key is malformed.
        UsageError: 6 when the encryption context is malformed, even when no key is named.
    """
    context = recipients.encryption_context(explicit.encryption_context)
    if not explicit.given:
        return None
    return (
        (
            *recipients.kms_keys(explicit.kms, context, explicit.aws_profile),
            *recipients.gcp_kms_keys(explicit.gcp_kms),
            *recipients.hckms_keys(explicit.hckms),
            *recipients.azure_kv_keys(explicit.azure_kv),
            *recipients.pgp_keys(explicit.pgp),
            *recipients.hc_vault_keys(explicit.hc_vault),
            *recipients.age_keys(explicit.age),
        ),
    )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Give a place to the errors of broken keys."""
    try:
        yield
    except ConfigError as error:
        error.where = error.where or where
        raise


def _line_group(rule: CreationRule, context: Mapping[str, str] | None) -> KeyGroup:
    """The group of a rule that names its keys in lines. Duplicates stay, as in sops."""
    makers: dict[str, Callable[[str], Iterable[MasterKey]]] = {
        "age": recipients.age_keys,
        "pgp": recipients.pgp_keys,
        "kms": lambda text: recipients.kms_keys(text, context, rule.aws_profile),
        "gcp_kms": recipients.gcp_kms_keys,
        "hckms": recipients.hckms_keys,
        "azure_keyvault": recipients.azure_kv_keys,
        "hc_vault_transit_uri": recipients.hc_vault_keys,
    }
    group: list[MasterKey] = []
    for name in KEY_LINES:
        with _named(f"{rule.where}.{name}"):
            group.extend(makers[name](rule.key_line(name)))
    return tuple(group)


def _entry_keys(entry: KeyEntry) -> Iterable[MasterKey]:
    """The keys of one entry of a key group. One entry is one key, but for age, where it may be a list with commas."""
    fields = {name: value for name, value in entry.fields.items() if isinstance(value, str)}
    if entry.kind == "age":
        return recipients.age_keys(fields["recipient"])
    if entry.kind == "pgp":
        return (MasterKey("pgp", {"fp": fields["fp"].replace(" ", "")}),)
    if entry.kind == "kms":
        return (recipients.kms_key(fields["arn"], fields["role"], _context(entry), fields["aws_profile"]),)
    if entry.kind == "gcp_kms":
        return (MasterKey("gcp_kms", {"resource_id": fields["resource_id"].replace(" ", "")}),)
    if entry.kind == "azure_kv":
        return (recipients.azure_kv_key(fields["vault_url"], fields["name"], fields["version"]),)
    if entry.kind == "hckms" and recipients.hckms_keys(fields["key_id"]):
        return (MasterKey("hckms", {"key_id": fields["key_id"]}),)
    if entry.kind == "hc_vault" and (keys := recipients.hc_vault_keys(fields["uri"])):
        return keys
    raise ConfigError("the key is empty")


def _context(entry: KeyEntry) -> dict[str, str]:
    context = entry.fields.get("context")
    found: dict[str, str] = {}
    for name, value in context.items() if isinstance(context, Mapping) else ():
        if value is None:
            raise ConfigError("a value of the encryption context is null", where=f"{entry.where}.context.{name}")
        found[name] = value
    return found


def _entries_group(entries: Iterable[KeyEntry]) -> KeyGroup:
    """The keys of a key group, the first of equal ones."""
    unique: dict[tuple[str, str], MasterKey] = {}
    for entry in entries:
        with _named(entry.where):
            for key in _entry_keys(entry):
                unique.setdefault((key.kind, key.text), key)
    return tuple(unique.values())


def groups_of_rule(rule: CreationRule, context: Mapping[str, str] | None = None) -> tuple[KeyGroup, ...]:
    """The key groups of a rule; without `key_groups` one group from its lines, empty when it names no key.

    Args:
        rule: The rule.
        context: Encryption context for the keys of the `kms` line; key groups bring their own.

    Raises:
        ConfigError: A key is malformed, or a line is neither a text nor a list of texts.
    """
    if rule.key_groups:
        return tuple(_entries_group(entries) for entries in rule.key_groups)
    return (_line_group(rule, context),)
