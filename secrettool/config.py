"""The config file in use: where it is, which rule a path gets, and what that means for encryption.

Source: sops 3.13 config/config.go (LookupConfigFile, parseCreationRuleForFile), cmd/sops/main.go (loadConfig, getEncryptConfig, keyGroups).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from secrettool import fs
from secrettool.errors import ConfigError, ExitCode, FormatError, InputError, SecrettoolError, UsageError
from secrettool.sops.selection import SELECTOR_KINDS, Selector, SelectorKind
from secrettool.sops.tree import Branch

if TYPE_CHECKING:
    from secrettool.masterkeys import ExplicitKeys
    from secrettool.sops.configfile import SopsConfig
    from secrettool.sops.keygroups import KeyGroup
    from secrettool.sops.rules import CreationRule, RuleMatch

CONFIG_NAME = ".sops.yaml"
OTHER_NAME = ".sops.yml"
CONFIG_VARIABLE = "SOPS_CONFIG"
MAX_LEVELS = 100
"""Folders that are searched: the working directory and its parents."""


class ConfigFile(NamedTuple):
    """A config file that was read.

    Attributes:
        path: Where it was found, or as it was given.
        directory: Its absolute folder, as the working directory names it (links not resolved): paths are matched as seen from here.
        config: What it says.
    """

    path: str
    directory: str
    config: SopsConfig

    def rule_for(self, path: str) -> RuleMatch | None:
        """Match the creation rules.

        Args:
            path: Absolute path of the file, links not resolved.

        Returns:
            What matching found; None when the file has no `creation_rules`, which is as if there were no config file.
        """
        if self.config.creation_rules is None:
            return None
        from secrettool.sops.rules import find_rule, matched_text

        return find_rule(self.config.creation_rules, matched_text(path, self.directory, os.sep))


class CreationPlan(NamedTuple):
    """How a new file is encrypted.

    Attributes:
        groups: Its key groups, not sealed yet. A group may be empty, which fails when the data key is sealed.
        shamir_threshold: 0 for all groups.
        selector: None for stores of a single value.
        mac_only_encrypted: Whether clear leaves are left out of the MAC.
        rule: The creation rule that was used, None without one.
        explicit: Whether the keys come from options or the environment instead of the rule.
        warnings: Settings that are ignored.
    """

    groups: tuple[KeyGroup, ...]
    shamir_threshold: int
    selector: Selector | None
    mac_only_encrypted: bool
    rule: CreationRule | None
    explicit: bool
    warnings: tuple[str, ...] = ()


# ---- finding and reading -------------------------------------------------------------------------------------------------------------------------


def working_directory(environ: Mapping[str, str]) -> str:
    """The working directory as the shell names it: `PWD` when it leads here, else the resolved path (Go's os.Getwd)."""
    named = environ.get("PWD", "")
    if os.path.isabs(named):
        try:
            if os.path.samestat(os.stat(named), os.stat(".")):
                return os.path.normpath(named)
        except OSError:
            pass
    return os.getcwd()


def absolute_path(path: str, cwd: str) -> str:
    """The path that rules are matched with: absolute and without `.` and `..`, links not resolved."""
    return os.path.normpath(os.path.join(cwd, path))


def locate_config(cwd: str, warn: Callable[[str], None] | None = None) -> tuple[str, str] | None:
    """Look for `.sops.yaml` in the working directory and its parents.

    Args:
        cwd: Absolute path of the working directory, links not resolved.
        warn: Told when a `.sops.yml` is passed by, which sops does not read either.

    Returns:
        Path of the file, and its folder as `cwd` names it: the two differ where `cwd` goes through a link. None when there is no such file.
    """
    folder, named = os.path.realpath(cwd), os.path.normpath(cwd)
    found, other = None, ""
    for _ in range(MAX_LEVELS):
        candidate = os.path.join(folder, CONFIG_NAME)
        if os.path.exists(candidate):
            found = (candidate, named)
            break
        if not other and os.path.exists(os.path.join(folder, OTHER_NAME)):
            other = os.path.join(folder, OTHER_NAME)
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder, named = parent, os.path.dirname(named)
    if other and warn is not None:
        instead = f"; using {found[0]} instead" if found else ""
        warn(f"ignoring {other} when searching for config file; the config file must be called {CONFIG_NAME}{instead}")
    return found


def _has_document(data: bytes) -> bool:
    """Whether there is more than blanks and comments; the YAML store refuses a text without a document, as a config file it is an empty one."""
    return any(line.strip()[:1] not in (b"", b"#") for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())


def load_config(path: str, directory: str) -> ConfigFile:
    """Read a config file.

    Args:
        path: The file.
        directory: Its absolute folder, as paths are named.

    Raises:
        ConfigError: It cannot be read, is not YAML, or a field has the wrong type.
    """
    # Rules are read only where there is a file with them: decrypting beside none shall not wait for them.
    from secrettool.sops.configfile import SopsConfig, read_config
    from secrettool.stores.yaml import YamlStore

    try:
        data, _ = fs.read(path)
        if not _has_document(data):
            return ConfigFile(path, directory, SopsConfig())
        document = YamlStore().parse(data)
        root = document.tree[0] if document.tree else Branch()
        return ConfigFile(path, directory, read_config(root, document.text))
    except InputError as error:
        problem = ConfigError(f"could not read config file: {error.message}", hint=error.hint)
    except FormatError as error:
        problem = ConfigError(f"error loading config: Could not unmarshal config file: {error.message}", where=error.where, hint=error.hint)
    except ConfigError as error:
        problem = error
    problem.file = path
    raise problem from None


def find_config(cwd: str, environ: Mapping[str, str], explicit: str | None = None, warn: Callable[[str], None] | None = None) -> ConfigFile | None:
    """Find and read the config file: `--config`, else `SOPS_CONFIG`, else the nearest `.sops.yaml` from the working directory upwards.

    Args:
        cwd: What `working_directory` gave.
        environ: The environment.
        explicit: Value of `--config`; None when it is not given. An empty value asks for the search.
        warn: Told when a `.sops.yml` is passed by.

    Raises:
        ConfigError: The file cannot be read or is broken.
    """
    given = environ.get(CONFIG_VARIABLE, "") if explicit is None else explicit
    if given:
        path = os.path.join(cwd, given)
        return load_config(given if os.path.isabs(given) else path, os.path.dirname(os.path.normpath(path)))
    located = locate_config(cwd, warn)
    return None if located is None else load_config(*located)


# ---- the plan for a file -------------------------------------------------------------------------------------------------------------------------

_CLASH = (
    "Error: cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, unencrypted_regex, encrypted_comment_regex, or "
    "unencrypted_comment_regex in the same file"
)
_NO_KEYS = "config file not found, or has no creation rules, and no keys provided through command line options"


def _single_value_warnings(selectors: Mapping[SelectorKind, str], store: str) -> tuple[str, ...]:
    return tuple(
        f"{kind} is ignored: the {store} store has one value, which is always encrypted"
        for kind in SELECTOR_KINDS
        if kind in selectors and kind != "unencrypted_comment_regex"  # sops says nothing about this one
    )


def _choose_selector(selectors: Mapping[SelectorKind, str]) -> Selector:
    if len(selectors) > 1:
        raise UsageError(_CLASH, hint=f"given were {' and '.join(selectors)}", code=ExitCode.CONFLICTING_PARAMETERS)
    for kind, text in selectors.items():
        selector = Selector(kind, text)
        selector.check()
        return selector
    return Selector()


def rule_groups(config: ConfigFile, rule: CreationRule, context: Mapping[str, str] | None = None) -> tuple[KeyGroup, ...]:
    """The key groups of a rule; one group, maybe empty, when it has no `key_groups`.

    Args:
        config: The file that holds the rule; named in errors.
        rule: A creation rule, or the `recreation_rule` of a destination.
        context: Encryption context for the keys of the `kms` line.

    Raises:
        ConfigError: The rule names several selectors, or a key is broken.
    """
    from secrettool import masterkeys

    try:
        rule.selector()
        return masterkeys.groups_of_rule(rule, context)
    except SecrettoolError as error:
        error.file = error.file or config.path
        raise


def _rule_of(config: ConfigFile | None, path: str, explicit: bool) -> CreationRule | None:
    """The rule for a path. Explicit keys do without one; sops refuses that where a config file with other rules is in sight."""
    match = None if config is None else config.rule_for(path)
    if config is None or match is None:
        return None
    try:
        return match.rule if explicit else match.required()
    except ConfigError as error:
        error.file = config.path
        raise


def groups_for_update(config: ConfigFile, path: str) -> tuple[KeyGroup, ...]:
    """The key groups that `updatekeys` gives a file: those of its rule, whatever keys the environment names.

    Raises:
        ConfigError: No rule matches, or the rule is broken.
    """
    rule = _rule_of(config, path, False)
    if rule is None:
        error = ConfigError("the config file does not contain any creation rule")
        error.file = config.path
        raise error
    return rule_groups(config, rule)


def resolve(
    config: ConfigFile | None,
    path: str,
    explicit: ExplicitKeys | None = None,
    *,
    selectors: Mapping[SelectorKind, str] | None = None,
    shamir_threshold: int = 0,
    mac_only_encrypted: bool = False,
    single_value_store: str | None = None,
    context_for_rule: bool = False,
) -> CreationPlan:
    """Decide how a new file is encrypted: options first, then the rule for its path.

    Args:
        config: The config file, None when there is none.
        path: Absolute path of the file, links not resolved.
        explicit: Keys of options and environment; if there are any they replace all keys of the rule by one group.
        selectors: Selectors of options; an empty one counts as not given. One replaces the same selector of the rule and clashes with another.
        shamir_threshold: The option; 0 leaves it to the rule.
        mac_only_encrypted: The option.
        single_value_store: Name of the store when it has one value only (`binary`): then there is no selector.
        context_for_rule: Whether the encryption context of `explicit` also counts for the `kms` line of the rule. The old form without a command
            (`-e`) does that, the `encrypt` command does not.

    Raises:
        ConfigError: No rule matches, the rule is broken, or there are no keys at all.
        UsageError: 8 for selectors that clash or do not compile, 6 for a broken encryption context.
    """
    from secrettool import masterkeys

    explicit = explicit or masterkeys.ExplicitKeys()
    rule = _rule_of(config, path, explicit.given)
    groups: tuple[KeyGroup, ...] | None = None
    wanted: dict[SelectorKind, str] = {kind: text for kind, text in (selectors or {}).items() if text}
    if config is not None and rule is not None:
        groups = rule_groups(config, rule, explicit.context_or_none() if context_for_rule else None)
        wanted = {**rule.selectors, **wanted}
        mac_only_encrypted = mac_only_encrypted or rule.mac_only_encrypted
    warnings: tuple[str, ...] = ()
    selector: Selector | None = None
    if single_value_store is not None:
        warnings, mac_only_encrypted = _single_value_warnings(wanted, single_value_store), False
    else:
        selector = _choose_selector(wanted)
    chosen = masterkeys.explicit_groups(explicit)
    if chosen is None:
        chosen = groups
    if chosen is None:
        raise ConfigError(_NO_KEYS, hint="name a recipient, for instance with --age, or write a .sops.yaml with creation_rules")
    threshold = shamir_threshold or (rule.shamir_threshold if rule is not None else 0)
    return CreationPlan(chosen, threshold, selector, mac_only_encrypted, rule, explicit.given, warnings)
