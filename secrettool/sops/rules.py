"""Creation rules and destination rules of `.sops.yaml`, and which of them a path gets.

The keys of a rule stay descriptions: they are checked when the rule is used, so that a broken recipient in one rule does not stop the files of
another one.

Source: sops 3.13 config/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from secrettool.errors import ConfigError
from secrettool.sops.selection import ExpressionError, Selector, SelectorKind, compile_expression
from secrettool.sops.tree import Branch, Comment, Leaf, Node, Sequence
from secrettool.sops.values import Time

KEY_LINES = ("age", "pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri")
"""The fields of a rule that name keys, in the order in which they form the one group of a rule without `key_groups`."""

_SHORT_NAMES = {"gcp_kms": "gcpkms", "hc_vault_transit_uri": "vault"}
"""What sops calls two of these fields in a message about the wrong type."""

Destination: TypeAlias = Literal["s3", "gcs", "vault"]


class KeyEntry(NamedTuple):
    """A key of a key group as the file describes it, not yet checked.

    Attributes:
        kind: A name of `keygroups.KEY_TYPES`.
        fields: What the file says, named as in the metadata; for `hc_vault` one field `uri`. A null in an encryption context is None.
        where: Its place in the file.
    """

    kind: str
    fields: Mapping[str, str | Mapping[str, str | None]]
    where: str


class CreationRule(NamedTuple):
    """A rule: which files it is for, and how they are encrypted.

    Attributes:
        where: Its place: `creation_rules[2]`, counted from 0.
        path_regex: RE2, unanchored; empty matches every path.
        lines: The fields of `KEY_LINES` that are there, not yet checked.
        aws_profile: Profile for the keys of the `kms` line.
        key_groups: Its groups with merges flattened and duplicates still in; when there is one, `lines` do not count.
        shamir_threshold: 0 when the rule does not say.
        selectors: The selectors that are not empty.
        mac_only_encrypted: Whether clear leaves are left out of the MAC.
    """

    where: str
    path_regex: str = ""
    lines: Mapping[str, Node] = {}
    aws_profile: str = ""
    key_groups: tuple[tuple[KeyEntry, ...], ...] = ()
    shamir_threshold: int = 0
    selectors: Mapping[SelectorKind, str] = {}
    mac_only_encrypted: bool = False

    def selector(self) -> Selector | None:
        """The selector of the rule; None when it names none.

        Raises:
            ConfigError: It names several.
        """
        if len(self.selectors) > 1:
            raise ConfigError(
                "error loading config: cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, unencrypted_regex, "
                "encrypted_comment_regex, or unencrypted_comment_regex for the same rule",
                where=self.where,
                hint=f"the rule has {' and '.join(self.selectors)}",
            )
        for kind, text in self.selectors.items():
            return Selector(kind, text)
        return None

    def key_line(self, name: str) -> str:
        """One of `KEY_LINES` as a text with commas; empty when it is missing.

        Of a text with commas, blanks around a part and empty parts are dropped; the elements of a list are joined as they are.

        Raises:
            ConfigError: It is neither a text nor a list of texts.
        """
        node = self.lines.get(name)
        if node is None:
            return ""
        if isinstance(node, Leaf) and isinstance(node.value, str):
            return ",".join(part for part in map(str.strip, node.value.split(",")) if part)
        if not isinstance(node, Sequence):
            self._wrong_line(name, f"expected string, []string, or nil, got {_go_type(node)}")
        texts: list[str] = []
        for entry in node.items:
            if isinstance(entry, Comment):
                continue
            if isinstance(entry, Leaf) and isinstance(entry.value, str):
                texts.append(entry.value)
            else:
                self._wrong_line(name, f"expected string in list, got {_go_type(entry)}")
        return ",".join(texts)

    def _wrong_line(self, name: str, problem: str) -> NoReturn:
        short = _SHORT_NAMES.get(name, name)
        raise ConfigError(
            f"invalid {short} key configuration: invalid {name} key configuration: {problem}",
            where=f"{self.where}.{name}",
            hint="write one text with commas, or a list of texts",
        )


class DestinationRule(NamedTuple):
    """Where `publish` puts a file.

    Attributes:
        where: Its place: `destination_rules[0]`.
        path_regex: RE2, matched against the path as typed; empty matches every path.
        s3_bucket: Bucket of S3.
        s3_prefix: Prefix of the object's name.
        gcs_bucket: Bucket of Google Cloud Storage.
        gcs_prefix: Prefix of the object's name.
        vault_path: Path in Vault, with a slash at its end; empty when there is none.
        vault_address: Address of Vault; empty for the one of the environment.
        vault_kv_mount_name: Mount of the key-value engine, with a slash at its end.
        vault_kv_version: 1 or 2.
        recreation_rule: How the file is encrypted again before it is published; without keys it goes as it is.
        omit_extensions: Whether the name loses its extension.
    """

    where: str
    path_regex: str
    s3_bucket: str
    s3_prefix: str
    gcs_bucket: str
    gcs_prefix: str
    vault_path: str
    vault_address: str
    vault_kv_mount_name: str
    vault_kv_version: int
    recreation_rule: CreationRule
    omit_extensions: bool

    def destination(self) -> Destination | None:
        """Which of the three the rule names; None when it names none.

        Raises:
            ConfigError: It names several.
        """
        named: list[Destination] = []
        if self.s3_bucket:
            named.append("s3")
        if self.gcs_bucket:
            named.append("gcs")
        if self.vault_path:
            named.append("vault")
        if len(named) > 1:
            raise ConfigError(
                "error loading config: more than one destinations were found in a single destination rule, you can only use one per rule",
                where=self.where,
            )
        return named[0] if named else None


class RuleMatch(NamedTuple):
    """What matching found.

    Attributes:
        number: Index in `rules` of the rule that decided: the one that matches, or the one with the error. None when no rule matches. All rules
            before it were tried and do not match; those behind it were not asked.
        rules: All rules.
        text: The text that the rules were matched against.
        error: Why the expression of the deciding rule does not compile.
    """

    number: int | None
    rules: tuple[CreationRule, ...]
    text: str
    error: ConfigError | None = None

    @property
    def rule(self) -> CreationRule | None:
        """The rule that matches; None when none does.

        Raises:
            ConfigError: An expression that was reached does not compile.
        """
        if self.error is not None:
            raise self.error
        return None if self.number is None else self.rules[self.number]

    def required(self) -> CreationRule:
        """The rule that matches.

        Raises:
            ConfigError: No rule matches, or an expression that was reached does not compile.
        """
        rule = self.rule
        if rule is None:
            raise ConfigError(
                "error loading config: no matching creation rules found",
                hint="add a rule whose path_regex matches the path, or name the keys, for instance with --age",
            )
        return rule

    def verdict(self, number: int) -> tuple[bool | None, str]:
        """Whether the rule with this index matches (None: it was not asked), and why."""
        if self.number is not None and number > self.number:
            return None, "not asked, an earlier rule decides"
        if number != self.number:
            return False, "path_regex does not match"
        if self.error is not None:
            return False, self.error.message
        return True, "path_regex matches" if self.rules[number].path_regex else "no path_regex, matches every path"


def _go_type(node: Node) -> str:
    """The Go type that go-yaml gives a value without a type of its own."""
    if isinstance(node, Branch):
        return "map[string]interface {}"
    if isinstance(node, Sequence):
        return "[]interface {}"
    if isinstance(node.value, Time):
        return "time.Time"
    return {bool: "bool", int: "int", float: "float64"}.get(type(node.value), "<nil>")


def matched_text(path: str, directory: str, separator: str = "/") -> str:
    """What creation rules are matched against: the path as seen from the config file, or the whole path of a file elsewhere.

    Args:
        path: Absolute path of the file.
        directory: Absolute path of the config file's directory. Nothing is cut off in the root directory, as in sops.
        separator: Between the parts of a path.
    """
    return path.removeprefix(directory + separator)


def _matches(expression: str, text: str) -> bool:
    return compile_expression(expression).search(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")) is not None


def find_rule(rules: tuple[CreationRule, ...], text: str) -> RuleMatch:
    """The first rule that matches. Expressions behind it are not even compiled.

    Args:
        rules: The rules in the order of the file.
        text: What `matched_text` gave.
    """
    for number, rule in enumerate(rules):
        try:
            if not rule.path_regex or _matches(rule.path_regex, text):
                return RuleMatch(number, rules, text)
        except ExpressionError as problem:
            error = ConfigError(
                f"can not compile regexp: error parsing regexp: {problem}",
                where=f"{rule.where}.path_regex",
                hint="expressions follow RE2, as in Go: no look-around, no back-references",
            )
            return RuleMatch(number, rules, text, error)
    return RuleMatch(None, rules, text)


def find_destination(rules: Seq[DestinationRule], path: str) -> DestinationRule:
    """The first destination rule that matches; an expression that does not compile matches nothing, as in sops.

    Args:
        rules: The rules in the order of the file.
        path: The path as it was typed.

    Raises:
        ConfigError: None matches.
    """
    for rule in rules:
        try:
            if not rule.path_regex or _matches(rule.path_regex, path):
                return rule
        except ExpressionError:
            continue
    raise ConfigError("error loading config: no matching destination found in config")
