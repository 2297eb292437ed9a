"""`.sops.yaml` as a whole: read from its tree into rules and settings of the stores.

Source: sops 3.13 config/config.go (configFile, keyGroup, extractMasterKeys, StoresConfig).
"""

from __future__ import annotations

from typing import NamedTuple

from secrettool.sops.fields import Fields
from secrettool.sops.rules import KEY_LINES, CreationRule, DestinationRule, KeyEntry
from secrettool.sops.selection import SELECTOR_KINDS
from secrettool.sops.tree import Branch, Leaf, Sequence


class StoresConfig(NamedTuple):
    """Indentation of the printed formats in blanks; None for the store's own (YAML 4, JSON one tab)."""

    yaml: int | None = None
    json: int | None = None
    json_binary: int | None = None

    def indent_of(self, store: str) -> int | None:
        """The indentation for a store by its name; `binary` prints JSON."""
        return {"yaml": self.yaml, "json": self.json, "binary": self.json_binary}.get(store)


class SopsConfig(NamedTuple):
    """The whole file; `creation_rules` is None when it has none at all, which is as if there were no file."""

    creation_rules: tuple[CreationRule, ...] | None = None
    destination_rules: tuple[DestinationRule, ...] = ()
    stores: StoresConfig = StoresConfig()


def _own_keys(group: Fields) -> list[KeyEntry]:
    """The keys that a group names itself, without its merges."""
    entries = [KeyEntry("age", {"recipient": text}, where) for where, text in group.strings("age")]
    entries += [KeyEntry("pgp", {"fp": text}, where) for where, text in group.strings("pgp")]
    for key in group.mappings("kms"):
        fields = {"arn": key.string("arn"), "role": key.string("role"), "aws_profile": key.string("aws_profile")}
        entries.append(KeyEntry("kms", {**fields, "context": _context(key)}, key.where))
    entries += [KeyEntry("gcp_kms", {"resource_id": key.string("resource_id")}, key.where) for key in group.mappings("gcp_kms")]
    entries += [KeyEntry("hckms", {"key_id": key.string("key_id")}, key.where) for key in group.mappings("hckms")]
    for key in group.mappings("azure_keyvault"):
        fields = {"vault_url": key.string("vaultUrl"), "name": key.string("key"), "version": key.string("version")}
        entries.append(KeyEntry("azure_kv", fields, key.where))
    entries += [KeyEntry("hc_vault", {"uri": text}, where) for where, text in group.strings("hc_vault")]
    return entries


def _context(key: Fields) -> dict[str, str | None]:
    context = key.mapping("context")
    if context is None:
        return {}
    return {name: None if context.node(name) is None else context.string(name) for name in context.names()}


def _flat_group(group: Fields) -> tuple[KeyEntry, ...]:
    """All keys of a group: those of its merges first, in their order and with their own merges before them."""
    backwards: list[KeyEntry] = []
    stack = [group]
    while stack:
        current = stack.pop()
        backwards.extend(reversed(_own_keys(current)))
        stack.extend(current.mappings("merge"))
    return tuple(reversed(backwards))


def _creation_rule(fields: Fields) -> CreationRule:
    fields.strings("hckms")  # The one line whose type sops checks in every rule, used or not.
    lines = {name: node for name in KEY_LINES if (node := fields.node(name)) is not None}
    if "hckms" in lines:
        lines["hckms"] = Sequence([Leaf(text) for _, text in fields.strings("hckms")])
    return CreationRule(
        where=fields.where,
        path_regex=fields.string("path_regex"),
        lines=lines,
        aws_profile=fields.string("aws_profile"),
        key_groups=tuple(_flat_group(group) for group in fields.mappings("key_groups")),
        shamir_threshold=fields.number("shamir_threshold"),
        selectors={kind: text for kind in SELECTOR_KINDS if (text := fields.string(kind))},
        mac_only_encrypted=fields.flag("mac_only_encrypted"),
    )


def _with_slash(text: str) -> str:
    return text if text.endswith("/") else text + "/"


def _destination_rule(fields: Fields) -> DestinationRule:
    recreation = fields.mapping("recreation_rule")
    vault_path, version = fields.string("vault_path"), fields.number("vault_kv_version")
    return DestinationRule(
        where=fields.where,
        path_regex=fields.string("path_regex"),
        s3_bucket=fields.string("s3_bucket"),
        s3_prefix=fields.string("s3_prefix"),
        gcs_bucket=fields.string("gcs_bucket"),
        gcs_prefix=fields.string("gcs_prefix"),
        vault_path=_with_slash(vault_path) if vault_path else "",
        vault_address=fields.string("vault_address"),
        vault_kv_mount_name=_with_slash(fields.string("vault_kv_mount_name") or "secret"),
        vault_kv_version=version if version in (1, 2) else 2,
        recreation_rule=CreationRule(fields.place("recreation_rule")) if recreation is None else _creation_rule(recreation),
        omit_extensions=fields.flag("omit_extensions"),
    )


def _stores(root: Fields) -> StoresConfig:
    stores = root.mapping("stores")
    if stores is None:
        return StoresConfig()

    def indent(name: str, default: int) -> int | None:
        store = stores.mapping(name)
        number = default if store is None else store.number("indent", default)
        return None if number == default else number

    for name in ("dotenv", "ini"):
        stores.mapping(name)  # They have no settings, but must be mappings.
    return StoresConfig(indent("yaml", 0), indent("json", -1), indent("json_binary", -1))


def read_config(root: Branch, text: str = "") -> SopsConfig:
    """Read the file from its tree.

    Args:
        root: The first document.
        text: The text that the offsets of its leaves point into; empty for a tree made by hand.

    Raises:
        ConfigError: A field has a type that it cannot have; `where` names it.
    """
    fields = Fields(root, "", text)
    rules = fields.mappings("creation_rules")
    return SopsConfig(
        creation_rules=None if fields.node("creation_rules") is None else tuple(_creation_rule(rule) for rule in rules),
        destination_rules=tuple(_destination_rule(rule) for rule in fields.mappings("destination_rules")),
        stores=_stores(fields),
    )
