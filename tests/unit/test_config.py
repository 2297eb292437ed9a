"""The config file in use. Every outcome in the tables is what sops 3.13.2 did, but for the rows that say otherwise."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from secrettool import config
from secrettool.errors import ConfigError, ExitCode, SecrettoolError, UsageError
from secrettool.masterkeys import ExplicitKeys
from secrettool.sops.selection import SELECTOR_KINDS, Selector, SelectorKind

ONE = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
TWO = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"
THREE = "age1npkqnd2qtph4ws3p36ycpce5gfyw4gwptqrweqnkzaarhdlfrd8qwg9xgu"
ALL = f"  - age: {ONE}\n"


class Outcome(NamedTuple):
    """What a config means for `secrets/db.yaml`."""

    groups: list[list[str]]
    threshold: int = 0
    selector: tuple[str, str] = ("unencrypted_suffix", "_unencrypted")
    only_encrypted: bool = False


FIRST = Outcome([[ONE]])
SECOND = Outcome([[TWO]])


def rules(text: str) -> str:
    """A config file with these creation rules."""
    return "creation_rules:\n" + text


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def outcome(plan: config.CreationPlan) -> Outcome:
    """A plan as the tables write it."""
    assert plan.selector is not None
    groups = [[key.text for key in group] for group in plan.groups]
    return Outcome(groups, plan.shamir_threshold, (plan.selector.kind, plan.selector.text), plan.mac_only_encrypted)


def resolved(folder: Path, text: str | None, explicit: ExplicitKeys | None = None, **options: object) -> config.CreationPlan:
    """The plan for `secrets/db.yaml` under a config file."""
    if text is not None:
        write(folder / ".sops.yaml", text)
    found = config.find_config(str(folder), {})
    return config.resolve(found, str(folder / "secrets/db.yaml"), explicit, **options)  # type: ignore[arg-type]


ACCEPTED = {
    "text": (rules(ALL), FIRST),
    "text with blanks and empty parts": (rules(f'  - age: " {ONE} ,, {TWO}, "\n'), Outcome([[ONE, TWO]])),
    "folded block": (rules(f"  - age: >-\n      {ONE},\n      {TWO},\n"), Outcome([[ONE, TWO]])),
    "list": (rules(f"  - age: [{ONE}, {TWO}]\n"), Outcome([[ONE, TWO]])),
    "list with commas": (rules(f'  - age: ["{ONE},{TWO}"]\n'), Outcome([[ONE, TWO]])),
    "list with comments": (rules(f"  # a\n  - age: # b\n    # c\n    - {ONE} # d\n    # e\n    - {TWO}\n"), Outcome([[ONE, TWO]])),
    "duplicates in a line": (rules(f"  - age: {ONE},{ONE}\n"), Outcome([[ONE, ONE]])),
    "unused broken recipient": (rules(f"  - path_regex: nope\n    age: age1abc\n{ALL}"), FIRST),
    "unused line of another type": (rules(f"  - path_regex: nope\n    age: 5\n{ALL}"), FIRST),
    "unused key group with a broken recipient": (rules(f"  - path_regex: nope\n    key_groups: [{{age: [age1abc]}}]\n{ALL}"), FIRST),
    "unused rule with two selectors": (rules(f"  - path_regex: nope\n    encrypted_regex: a\n    encrypted_suffix: b\n{ALL}"), FIRST),
    "broken expression behind the match": (rules(f'{ALL}  - path_regex: "("\n'), FIRST),
    "order": (rules(f"  - path_regex: ^secrets/\n    age: {TWO}\n{ALL}"), SECOND),
    "not the absolute path": (rules(f"  - path_regex: ^/\n    age: {TWO}\n{ALL}"), FIRST),
    "expression that is a number": (rules(f"  - path_regex: 5\n    age: {TWO}\n{ALL}"), FIRST),
    "merge key": (
        f"x: &x\n  age: {TWO}\n  encrypted_suffix: _e\n" + rules(f"  - <<: *x\n    age: {ONE}\n"),
        Outcome([[ONE]], selector=("encrypted_suffix", "_e")),
    ),
    "merge key with a list": (
        f"x: &x\n  age: {TWO}\ny: &y\n  age: {ONE}\n  encrypted_suffix: _y\n" + rules("  - <<: [*x, *y]\n"),
        Outcome([[TWO]], selector=("encrypted_suffix", "_y")),
    ),
    "merge key with a hidden field of another type": (
        f"x: &x {{age: {ONE}, shamir_threshold: x}}\n" + rules("  - <<: *x\n    shamir_threshold: 0\n"),
        FIRST,
    ),
    "anchor": (f"x: &x [{ONE}, {TWO}]\n" + rules("  - age: *x\n"), Outcome([[ONE, TWO]])),
    "unknown names": ("other: {a: [1]}\n5: 6\n" + rules(f"  - age: {ONE}\n    other: {{}}\n"), FIRST),
    "key groups": (rules(f"  - key_groups:\n    - age: [{ONE}]\n    - age: [{TWO}, {TWO}, {THREE}]\n"), Outcome([[ONE], [TWO, THREE]])),
    "key groups before lines": (rules(f"  - age: {TWO}\n    key_groups: [{{age: [{ONE}]}}]\n"), FIRST),
    "key groups empty": (rules(f"  - age: {ONE}\n    key_groups: []\n"), FIRST),
    "key groups with null alone": (rules(f"  - age: {ONE}\n    key_groups: [~]\n"), FIRST),
    "key group with null and nothing": (rules(f"  - key_groups: [{{age: [~, '', {ONE}]}}]\n"), FIRST),
    "merge of groups": (
        rules(f"  - key_groups:\n    - merge: [{{age: [{TWO}]}}, {{merge: [{{age: [{THREE}]}}], age: [{TWO}]}}]\n      age: [{ONE}, {THREE}]\n"),
        Outcome([[TWO, THREE, ONE]]),
    ),
    "threshold": (
        rules(f"  - shamir_threshold: 2\n    key_groups: [{{age: [{ONE}]}}, {{age: [{TWO}]}}]\n"),
        Outcome([[ONE], [TWO]], threshold=2),
    ),
    "threshold as float": (
        rules(f"  - shamir_threshold: 2.7\n    key_groups: [{{age: [{ONE}]}}, {{age: [{TWO}]}}]\n"),
        Outcome([[ONE], [TWO]], threshold=2),
    ),
    "selector": (rules(f"  - age: {ONE}\n    encrypted_regex: ^a$\n"), Outcome([[ONE]], selector=("encrypted_regex", "^a$"))),
    "selector of comments": (
        rules(f"  - age: {ONE}\n    unencrypted_comment_regex: x\n"),
        Outcome([[ONE]], selector=("unencrypted_comment_regex", "x")),
    ),
    "selector beside an empty one": (
        rules(f"  - age: {ONE}\n    encrypted_regex: a\n    encrypted_suffix: ''\n"),
        Outcome([[ONE]], selector=("encrypted_regex", "a")),
    ),
    "selector that is a number": (
        rules(f"  - age: {ONE}\n    encrypted_suffix: 1.50\n"),
        Outcome([[ONE]], selector=("encrypted_suffix", "1.50")),
    ),
    "selector that is a date": (
        rules(f"  - age: {ONE}\n    encrypted_suffix: 2020-01-01\n"),
        Outcome([[ONE]], selector=("encrypted_suffix", "2020-01-01")),
    ),
    "mac only encrypted": (rules(f"  - age: {ONE}\n    mac_only_encrypted: yes\n"), Outcome([[ONE]], only_encrypted=True)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_config_is_accepted(name: str, tmp_path: Path) -> None:
    text, expected = ACCEPTED[name]
    assert outcome(resolved(tmp_path, text)) == expected


NO_KEYS = "config file not found, or has no creation rules, and no keys provided"
UNMARSHAL = "error loading config: Could not unmarshal config file"
REFUSED = {
    "no config": (None, NO_KEYS),
    "empty file": ("", NO_KEYS),
    "comment only": ("# nothing\n", NO_KEYS),
    "null": ("~\n", NO_KEYS),
    "marker only": ("---\n", NO_KEYS),
    "byte order mark only": ("\ufeff", NO_KEYS),
    "anchor that is not there": (rules("  - age: *x\n"), UNMARSHAL),
    "merge with a field of another type": ("x: &x {shamir_threshold: x}\n" + rules("  - <<: *x\n"), UNMARSHAL),
    "rules null": ("creation_rules:\n", NO_KEYS),
    "destination rules only": ("destination_rules: [{s3_bucket: x}]\n", NO_KEYS),
    "no rule in the list": ("creation_rules: []\n", "no matching creation rules found"),
    "no match": (rules(f"  - path_regex: nope\n    age: {ONE}\n"), "no matching creation rules found"),
    "broken YAML": ("a: [\n", UNMARSHAL),
    "list at the top": ("- a\n", UNMARSHAL),
    "scalar": ("abc\n", UNMARSHAL),
    "rules as mapping": ("creation_rules: {}\n", UNMARSHAL),
    "name twice": (rules(f"  - age: {ONE}\n    age: {TWO}\n"), UNMARSHAL),
    "unused threshold as text": (rules(f'  - path_regex: nope\n    shamir_threshold: "2"\n{ALL}'), UNMARSHAL),
    "unused hckms as text": (rules(f'  - path_regex: nope\n    hckms: "a:b"\n{ALL}'), UNMARSHAL),
    "unused key group as text": (rules(f"  - path_regex: nope\n    key_groups: [{{age: abc}}]\n{ALL}"), UNMARSHAL),
    "indent as text": (rules(ALL) + 'stores: {yaml: {indent: "2"}}\n', UNMARSHAL),
    "line as number": (rules("  - age: 5\n"), "invalid age key configuration: invalid age key configuration: expected string"),
    "list with null": (rules("  - age: [~]\n"), "expected string in list, got <nil>"),
    "list with an empty text": (rules(f"  - age: [{ONE}, '']\n"), "unknown recipient type"),
    "broken recipient": (rules("  - age: age1abc\n"), "malformed recipient"),
    "two selectors": (rules(f"  - age: {ONE}\n    encrypted_regex: a\n    encrypted_suffix: b\n"), "for the same rule"),
    "broken expression": (rules(f'  - path_regex: "("\n{ALL}'), "can not compile regexp"),
    "look-ahead": (rules(f'  - path_regex: "a(?!b)"\n{ALL}'), "can not compile regexp"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_config_is_refused(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path, text)
    assert message in str(caught.value)
    assert caught.value.code == ExitCode.GENERIC
    if message != NO_KEYS:
        assert caught.value.file == str(tmp_path / ".sops.yaml")


def test_config_error_names_no_content(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path, 'creation_rules: "canary"\nother: [\n')
    assert "canary" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path, 'creation_rules: "canary"\n')
    assert "canary" not in str(caught.value)
    assert caught.value.where == "creation_rules"


# ---- keys and selectors of options ---------------------------------------------------------------------------------------------------------------


def test_explicit_keys_replace_the_keys_of_the_rule_and_nothing_else(tmp_path: Path) -> None:
    text = rules(
        f"  - shamir_threshold: 2\n    encrypted_suffix: a\n    mac_only_encrypted: true\n    key_groups: [{{age: [{ONE}]}}, {{age: [{TWO}]}}]\n"
    )
    plan = resolved(tmp_path, text, ExplicitKeys(age=THREE))
    assert outcome(plan) == Outcome([[THREE]], 2, ("encrypted_suffix", "a"), True)
    assert plan.explicit


def test_explicit_keys_do_not_save_a_broken_rule(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="malformed recipient"):
        resolved(tmp_path, rules("  - age: age1abc\n"), ExplicitKeys(age=ONE))


@pytest.mark.parametrize("text", [None, "", "creation_rules:\n"])
def test_explicit_keys_need_no_rules(text: str | None, tmp_path: Path) -> None:
    assert outcome(resolved(tmp_path, text, ExplicitKeys(age=ONE))) == FIRST


@pytest.mark.parametrize("text", ["creation_rules: []\n", rules(f"  - path_regex: nope\n    age: {TWO}\n    encrypted_suffix: x\n")])
def test_explicit_keys_need_no_matching_rule(text: str, tmp_path: Path) -> None:
    # A difference from sops, which refuses this.
    assert outcome(resolved(tmp_path, text, ExplicitKeys(age=ONE))) == FIRST


def test_explicit_keys_do_not_hide_a_broken_expression(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can not compile regexp"):
        resolved(tmp_path, rules(f'  - path_regex: "("\n{ALL}'), ExplicitKeys(age=ONE))


def test_threshold_of_options_comes_first(tmp_path: Path) -> None:
    text = rules(f"  - shamir_threshold: 3\n    key_groups: [{{age: [{ONE}]}}, {{age: [{TWO}]}}]\n")
    assert resolved(tmp_path, text, shamir_threshold=2).shamir_threshold == 2


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"encrypted_suffix": "b"}, ("encrypted_suffix", "b")),
        ({"encrypted_suffix": ""}, ("encrypted_suffix", "a")),
        ({"encrypted_regex": ""}, ("encrypted_suffix", "a")),
    ],
)
def test_selector_of_options_replaces_the_same_one(option: dict[SelectorKind, str], expected: tuple[str, str], tmp_path: Path) -> None:
    text = rules(f"  - age: {ONE}\n    encrypted_suffix: a\n")
    assert outcome(resolved(tmp_path, text, selectors=option)).selector == expected


@pytest.mark.parametrize(
    ("text", "option"),
    [
        (rules(f"  - age: {ONE}\n    encrypted_suffix: a\n"), {"encrypted_regex": "b"}),
        (rules(ALL), {"encrypted_regex": "b", "unencrypted_suffix": "c"}),
        (None, {"encrypted_regex": "b", "unencrypted_suffix": "c"}),
    ],
)
def test_selectors_that_clash_are_refused(text: str | None, option: dict[SelectorKind, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in the same file") as caught:
        resolved(tmp_path, text, selectors=option)
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


def test_selector_that_does_not_compile_is_refused(tmp_path: Path) -> None:
    # A difference from sops, which writes everything in clear then.
    with pytest.raises(UsageError, match="does not compile") as caught:
        resolved(tmp_path, rules(f'  - age: {ONE}\n    encrypted_regex: "("\n'))
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


def test_single_value_store_has_no_selector(tmp_path: Path) -> None:
    text = rules(f"  - age: {ONE}\n    encrypted_suffix: a\n    mac_only_encrypted: true\n")
    plan = resolved(tmp_path, text, selectors={"encrypted_regex": "b"}, single_value_store="binary")
    assert (plan.selector, plan.mac_only_encrypted) == (None, False)
    assert [warning.split()[0] for warning in plan.warnings] == ["encrypted_suffix", "encrypted_regex"]


def test_clash_is_noticed_before_broken_explicit_keys(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(tmp_path, rules(ALL), ExplicitKeys(age="age1abc"), selectors={"encrypted_regex": "b", "encrypted_suffix": "c"})
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


@pytest.mark.parametrize(("old_form", "text"), [(False, "arn"), (True, "arn|k:v")])
def test_encryption_context_reaches_the_rule_in_the_old_form_alone(old_form: bool, text: str, tmp_path: Path) -> None:
    plan = resolved(tmp_path, rules("  - kms: arn\n"), ExplicitKeys(encryption_context="k:v"), context_for_rule=old_form)
    assert [[key.text for key in group] for group in plan.groups] == [[text]]


def test_update_takes_the_rule_and_ignores_its_selector(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(f"  - age: {TWO}\n    encrypted_regex: (\n"))
    found = config.find_config(str(tmp_path), {"SOPS_AGE_RECIPIENTS": ONE})
    assert found is not None
    assert [[key.text for key in group] for group in config.groups_for_update(found, str(tmp_path / "a.yaml"))] == [[TWO]]


@pytest.mark.parametrize(("text", "message"), [("stores: {}\n", "does not contain any creation rule"), (rules("  - path_regex: x\n"), "no matching")])
def test_update_without_a_rule_is_refused(text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", text)
    found = config.find_config(str(tmp_path), {})
    assert found is not None
    with pytest.raises(ConfigError, match=message):
        config.groups_for_update(found, "/elsewhere/a.yaml")


# ---- finding -------------------------------------------------------------------------------------------------------------------------------------


def test_config_is_found_in_a_parent_of_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    (tmp_path / "a/b").mkdir(parents=True)
    found = config.find_config(str(tmp_path / "a/b"), {})
    assert found is not None
    assert (found.path, found.directory) == (str(tmp_path / ".sops.yaml"), str(tmp_path))


def test_config_beside_the_file_is_not_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "secrets/.sops.yaml", rules(ALL))
    assert config.locate_config(str(tmp_path)) is None


def test_config_nearest_wins(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    write(tmp_path / "a/.sops.yaml", rules(ALL))
    assert config.locate_config(str(tmp_path / "a")) == (str(tmp_path / "a/.sops.yaml"), str(tmp_path / "a"))


def test_config_is_looked_for_in_a_hundred_folders(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    deep = tmp_path.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    assert config.locate_config(str(deep)) is None
    assert config.locate_config(str(deep.parent)) is not None


def test_config_with_the_other_ending_is_passed_by_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    write(tmp_path / "a/.sops.yml", "x")
    warnings: list[str] = []
    assert config.find_config(str(tmp_path / "a"), {}, None, warnings.append) is not None
    assert len(warnings) == 1
    assert f"ignoring {tmp_path / 'a/.sops.yml'}" in warnings[0]
    assert f"using {tmp_path / '.sops.yaml'} instead" in warnings[0]


def test_config_with_the_other_ending_is_not_mentioned_beside_the_right_one(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    write(tmp_path / ".sops.yml", "x")
    warnings: list[str] = []
    config.find_config(str(tmp_path), {}, None, warnings.append)
    assert warnings == []


def test_paths_are_matched_as_a_linked_working_directory_names_them(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(f"  - path_regex: ^link/db\n    age: {TWO}\n{ALL}"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    cwd = str(tmp_path / "link")
    plan = config.resolve(config.find_config(cwd, {}), config.absolute_path("db.yaml", cwd))
    assert outcome(plan) == SECOND


def test_config_of_a_linked_working_directory_is_the_one_above_the_real_folder(tmp_path: Path) -> None:
    write(tmp_path / "deep/.sops.yaml", rules(ALL))
    (tmp_path / "deep/real").mkdir()
    (tmp_path / "link").symlink_to("deep/real")
    assert config.locate_config(str(tmp_path / "link")) == (str(tmp_path / "deep/.sops.yaml"), str(tmp_path))


@pytest.mark.parametrize(
    ("explicit", "environ", "recipient"),
    [
        (None, {}, ONE),
        ("other.yaml", {}, TWO),
        (None, {"SOPS_CONFIG": "other.yaml"}, TWO),
        ("", {"SOPS_CONFIG": "other.yaml"}, ONE),
        (None, {"SOPS_CONFIG": ""}, ONE),
        ("./x/../other.yaml", {"SOPS_CONFIG": "missing"}, TWO),
    ],
)
def test_config_is_chosen(explicit: str | None, environ: dict[str, str], recipient: str, tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", rules(ALL))
    write(tmp_path / "other.yaml", rules(f"  - path_regex: ^secrets/\n    age: {TWO}\n"))
    (tmp_path / "x").mkdir()
    found = config.find_config(str(tmp_path), environ, explicit)
    assert outcome(config.resolve(found, str(tmp_path / "secrets/db.yaml"))) == Outcome([[recipient]])


def test_config_elsewhere_matches_whole_paths(tmp_path: Path) -> None:
    write(tmp_path / "conf/x.yaml", rules(f"  - path_regex: ^{tmp_path}/db\n    age: {TWO}\n{ALL}"))
    found = config.find_config(str(tmp_path), {}, "conf/x.yaml")
    assert outcome(config.resolve(found, str(tmp_path / "db.yaml"))) == SECOND


@pytest.mark.parametrize("explicit", ["missing.yaml", "folder"])
def test_config_that_cannot_be_read_is_refused(explicit: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="could not read config file") as caught:
        config.find_config(str(tmp_path), {}, explicit)
    assert caught.value.code == ExitCode.GENERIC


def test_working_directory_is_named_as_the_shell_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    real = os.getcwd()
    assert config.working_directory({"PWD": str(tmp_path / "link")}) == str(tmp_path / "link")
    for wrong in ("", "link", str(tmp_path), str(tmp_path / "missing")):
        assert config.working_directory({"PWD": wrong}) == real


def test_stores_indentation_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".sops.yaml", "stores: {yaml: {indent: 2}}\n")
    found = config.find_config(str(tmp_path), {})
    assert found is not None
    assert found.config.stores.indent_of("yaml") == 2


# ---- the real program ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("name", [*ACCEPTED, *REFUSED])
def test_sops_agrees(name: str, real_sops: Path, tmp_path: Path) -> None:
    text, _ = ACCEPTED.get(name) or REFUSED[name]
    write(tmp_path / "secrets/db.yaml", "a: b\n")
    ours: Outcome | int
    try:
        ours = outcome(resolved(tmp_path, text))
    except SecrettoolError as error:
        ours = int(error.code)
    command = [str(real_sops), "--disable-version-check", "encrypt", "--output-type", "json", "secrets/db.yaml"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        assert ours == done.returncode
        return
    section = json.loads(done.stdout)["sops"]
    selector = next((kind, section[kind]) for kind in SELECTOR_KINDS if kind in section)
    groups = [[key["recipient"] for key in group["age"]] for group in section.get("key_groups", [section])]
    assert isinstance(ours, Outcome)
    threshold = section.get("shamir_threshold", 0) if ours.threshold else 0  # sops writes the number of groups for 0
    assert ours == Outcome(groups, threshold, selector, section.get("mac_only_encrypted", False))


def test_plan_without_options_uses_the_default_selector(tmp_path: Path) -> None:
    assert resolved(tmp_path, rules(ALL)).selector == Selector()
