"""What `config explain` shows."""

from __future__ import annotations

import json

import pytest

from secrettool.config import ConfigFile
from secrettool.explain import as_mapping, as_text, explain
from secrettool.masterkeys import ExplicitKeys
from secrettool.sops.configfile import SopsConfig
from secrettool.sops.rules import CreationRule, KeyEntry
from secrettool.sops.tree import Leaf

ONE = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
TWO = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"


def config_of(*rules: CreationRule) -> ConfigFile:
    """A config file with these rules."""
    return ConfigFile("/repo/.sops.yaml", "/repo", SopsConfig(tuple(rules)))


def group(recipient: str) -> tuple[KeyEntry, ...]:
    """A key group of one recipient."""
    return (KeyEntry("age", {"recipient": recipient}, "x"),)


SHARED = config_of(
    CreationRule("creation_rules[0]", "^prod/", {"age": Leaf(ONE)}),
    CreationRule("creation_rules[1]", "^dev/", key_groups=(group(ONE), group(TWO)), shamir_threshold=2, selectors={"encrypted_regex": "^data$"}),
    CreationRule("creation_rules[2]"),
)


def test_explanation_as_text_shows_every_rule_and_the_outcome() -> None:
    assert as_text(explain(SHARED, "/repo/dev/a.yaml")) == (
        "file      /repo/dev/a.yaml\n"
        "config    /repo/.sops.yaml\n"
        "matched   dev/a.yaml\n"
        "rules\n"
        "  no  creation_rules[0]  path_regex does not match: ^prod/\n"
        "  yes creation_rules[1]  path_regex matches: ^dev/\n"
        "  -   creation_rules[2]  not asked, an earlier rule decides\n"
        "keys      from creation_rules[1]\n"
        "  group 0\n"
        f"    age      {ONE}\n"
        "  group 1\n"
        f"    age      {TWO}\n"
        "threshold 2 of 2 groups open the file\n"
        "selector  encrypted_regex: ^data$\n"
        "mac       over all values\n"
    )


def test_explanation_as_mapping_goes_into_json() -> None:
    record = json.loads(json.dumps(as_mapping(explain(SHARED, "/repo/dev/a.yaml"))))
    assert record == {
        "path": "/repo/dev/a.yaml",
        "config": "/repo/.sops.yaml",
        "matched_text": "dev/a.yaml",
        "rules": [
            {"rule": "creation_rules[0]", "path_regex": "^prod/", "matches": False, "reason": "path_regex does not match"},
            {"rule": "creation_rules[1]", "path_regex": "^dev/", "matches": True, "reason": "path_regex matches"},
            {"rule": "creation_rules[2]", "path_regex": "", "matches": None, "reason": "not asked, an earlier rule decides"},
        ],
        "error": None,
        "keys_from": "creation_rules[1]",
        "groups": [[{"kind": "age", "key": ONE}], [{"kind": "age", "key": TWO}]],
        "shamir_threshold": 2,
        "shares_needed": 2,
        "selector": {"kind": "encrypted_regex", "text": "^data$"},
        "mac_only_encrypted": False,
        "warnings": [],
    }


def test_explanation_without_a_match_holds_the_error() -> None:
    explanation = explain(config_of(CreationRule("creation_rules[0]", "nope")), "/repo/a.yaml")
    record = as_mapping(explanation)
    assert record["error"] == {
        "message": "/repo/.sops.yaml: error loading config: no matching creation rules found",
        "hint": "add a rule whose path_regex matches the path, or name the keys, for instance with --age",
        "exit_code": 1,
    }
    assert "groups" not in record
    assert "error     /repo/.sops.yaml: error loading config: no matching creation rules found\n" in as_text(explanation)


def test_explanation_of_a_broken_expression_marks_the_rule() -> None:
    text = as_text(explain(config_of(CreationRule("creation_rules[0]", "("), CreationRule("creation_rules[1]")), "/repo/a.yaml"))
    assert "  no  creation_rules[0]  can not compile regexp" in text
    assert "  -   creation_rules[1]  not asked" in text
    assert "error     /repo/.sops.yaml: creation_rules[0].path_regex: can not compile regexp" in text


def test_explanation_names_options_as_the_source_of_keys() -> None:
    record = as_mapping(explain(SHARED, "/repo/dev/a.yaml", ExplicitKeys(age=TWO)))
    assert (record["keys_from"], record["groups"]) == ("options or environment", [[{"kind": "age", "key": TWO}]])
    assert record["selector"] == {"kind": "encrypted_regex", "text": "^data$"}
    assert record["shares_needed"] == 1


@pytest.mark.parametrize("config", [None, ConfigFile("/repo/.sops.yaml", "/repo", SopsConfig())])
def test_explanation_without_rules(config: ConfigFile | None) -> None:
    record = as_mapping(explain(config, "/repo/a.yaml", ExplicitKeys(age=ONE)))
    assert (record["rules"], record["matched_text"], record["error"]) == ([], None, None)


def test_explanation_of_a_rule_without_keys_says_so() -> None:
    assert "  no key: encrypting fails\n" in as_text(explain(SHARED, "/repo/other.yaml"))


def test_explanation_of_a_single_value_shows_what_is_ignored() -> None:
    text = as_text(explain(SHARED, "/repo/dev/a.bin", single_value_store="binary"))
    assert "selector  none, the whole file is one value\n" in text
    assert "warning   encrypted_regex is ignored" in text
