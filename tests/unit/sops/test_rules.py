"""Creation rules, destination rules, and which of them a path gets."""

from __future__ import annotations

import pytest

from secrettool.errors import ConfigError, ExitCode
from secrettool.sops.rules import CreationRule, DestinationRule, find_destination, find_rule, matched_text
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Leaf, Node, Sequence
from secrettool.sops.values import Time


def rules_of(*expressions: str) -> tuple[CreationRule, ...]:
    """Rules with these expressions."""
    return tuple(CreationRule(f"creation_rules[{number}]", expression) for number, expression in enumerate(expressions))


def destination_of(expression: str = "", **names: str) -> DestinationRule:
    """A destination rule."""
    fields = dict.fromkeys(("s3_bucket", "s3_prefix", "gcs_bucket", "gcs_prefix", "vault_path", "vault_address", "vault_kv_mount_name"), "")
    return DestinationRule(
        where="destination_rules[0]",
        path_regex=expression,
        **{**fields, **names},
        vault_kv_version=2,
        recreation_rule=CreationRule("destination_rules[0].recreation_rule"),
        omit_extensions=False,
    )


@pytest.mark.parametrize(
    ("path", "directory", "text"),
    [
        ("/repo/secrets/a.yaml", "/repo", "secrets/a.yaml"),
        ("/repository/a.yaml", "/repo", "/repository/a.yaml"),
        ("/other/a.yaml", "/repo", "/other/a.yaml"),
        ("/a.yaml", "/", "/a.yaml"),
        ("/repo", "/repo", "/repo"),
    ],
)
def test_matched_text_is_seen_from_the_config(path: str, directory: str, text: str) -> None:
    assert matched_text(path, directory) == text


@pytest.mark.parametrize(
    ("expressions", "text", "number"),
    [
        (("nope", "^secrets/", ""), "secrets/a.yaml", 1),
        (("nope", "", "^secrets/"), "secrets/a.yaml", 1),
        (("nope",), "secrets/a.yaml", None),
        ((), "secrets/a.yaml", None),
        (("rets/",), "secrets/a.yaml", 0),
        ((r"a\.yaml$",), "a.yaml\n", None),
        ((r"a\.yaml\z",), "a.yaml", 0),
        (("(?i)SECRETS",), "secrets/a.yaml", 0),
        ((r"^\pL+$",), "ünï", 0),
        ((r"^\w+$",), "ünï", None),
        (("",), "\udcff", 0),
        (("a.b",), "a\udcffb", 0),
    ],
)
def test_first_matching_rule_is_found(expressions: tuple[str, ...], text: str, number: int | None) -> None:
    assert find_rule(rules_of(*expressions), text).number == number


@pytest.mark.parametrize("expression", ["(", "a(?!b)", "a(?=b)", "(?<!a)b", r"(a)\1", "a**", r"\C"])
def test_expression_outside_re2_is_an_error_when_reached(expression: str) -> None:
    match = find_rule(rules_of("nope", expression, ""), "a.yaml")
    with pytest.raises(ConfigError, match="can not compile regexp: error parsing regexp") as caught:
        match.required()
    assert (caught.value.where, caught.value.code) == ("creation_rules[1].path_regex", ExitCode.GENERIC)


def test_expression_behind_the_match_is_not_compiled() -> None:
    assert find_rule(rules_of("", "("), "a.yaml").required().where == "creation_rules[0]"


def test_no_match_is_an_error_when_a_rule_is_required() -> None:
    match = find_rule(rules_of("nope"), "a.yaml")
    assert match.rule is None
    with pytest.raises(ConfigError, match="error loading config: no matching creation rules found"):
        match.required()


def test_verdicts_say_why() -> None:
    match = find_rule(rules_of("nope", "yaml", "x"), "a.yaml")
    assert [match.verdict(number) for number in range(3)] == [
        (False, "path_regex does not match"),
        (True, "path_regex matches"),
        (None, "not asked, an earlier rule decides"),
    ]


def test_verdict_of_a_rule_for_all_paths() -> None:
    assert find_rule(rules_of(""), "a.yaml").verdict(0) == (True, "no path_regex, matches every path")


def test_verdict_of_a_broken_expression() -> None:
    match = find_rule(rules_of("(", ""), "a.yaml")
    assert match.verdict(0)[0] is False
    assert match.verdict(0)[1].startswith("can not compile regexp")
    assert match.verdict(1) == (None, "not asked, an earlier rule decides")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Leaf(" a ,, b, "), "a,b"),
        (Leaf(""), ""),
        (Leaf("a,\n"), "a"),
        (Sequence([Leaf("a"), Comment("x"), Leaf(" b ")]), "a, b "),
        (Sequence([Leaf("a,b"), Leaf("")]), "a,b,"),
        (Sequence(), ""),
    ],
)
def test_key_line_is_read_in_both_forms(node: Node, text: str) -> None:
    assert CreationRule("creation_rules[0]", lines={"age": node}).key_line("age") == text


def test_key_line_missing_is_empty() -> None:
    assert CreationRule("creation_rules[0]").key_line("age") == ""


@pytest.mark.parametrize(
    ("name", "node", "message"),
    [
        ("age", Leaf(5), "invalid age key configuration: invalid age key configuration: expected string, []string, or nil, got int"),
        ("gcp_kms", Leaf(True), "invalid gcpkms key configuration: invalid gcp_kms key configuration: expected string, []string, or nil, got bool"),
        (
            "hc_vault_transit_uri",
            Branch(),
            "invalid vault key configuration: invalid hc_vault_transit_uri key configuration: "
            "expected string, []string, or nil, got map[string]interface {}",
        ),
        ("pgp", Sequence([Leaf(None)]), "invalid pgp key configuration: invalid pgp key configuration: expected string in list, got <nil>"),
        ("kms", Sequence([Leaf(1.5)]), "invalid kms key configuration: invalid kms key configuration: expected string in list, got float64"),
        ("age", Sequence([Sequence()]), "invalid age key configuration: invalid age key configuration: expected string in list, got []interface {}"),
        ("age", Leaf(Time("x")), "invalid age key configuration: invalid age key configuration: expected string, []string, or nil, got time.Time"),
    ],
)
def test_key_line_of_another_type_is_refused_in_the_words_of_sops(name: str, node: Node, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CreationRule("creation_rules[3]", lines={name: node}).key_line(name)
    assert (caught.value.message, caught.value.where) == (message, f"creation_rules[3].{name}")


def test_selector_of_a_rule() -> None:
    assert CreationRule("creation_rules[0]", selectors={"encrypted_regex": "x"}).selector() == Selector("encrypted_regex", "x")
    assert CreationRule("creation_rules[0]").selector() is None


def test_two_selectors_of_a_rule_are_refused() -> None:
    rule = CreationRule("creation_rules[0]", selectors={"encrypted_regex": "x", "encrypted_suffix": "y"})
    with pytest.raises(ConfigError, match="for the same rule") as caught:
        rule.selector()
    assert caught.value.code == ExitCode.GENERIC


def test_destination_is_found_by_the_path_as_typed() -> None:
    rules = (destination_of("^/", s3_bucket="a"), destination_of("(", s3_bucket="b"), destination_of(r"^\./x", s3_bucket="c"))
    assert find_destination(rules, "./x.yaml").s3_bucket == "c"


def test_destination_missing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no matching destination found in config"):
        find_destination((destination_of("nope", s3_bucket="a"),), "x.yaml")


@pytest.mark.parametrize(
    ("names", "kind"), [({"s3_bucket": "a"}, "s3"), ({"gcs_bucket": "a"}, "gcs"), ({"vault_path": "a/"}, "vault"), ({"s3_prefix": "a"}, None)]
)
def test_destination_names_its_kind(names: dict[str, str], kind: str | None) -> None:
    assert destination_of(**names).destination() == kind


def test_destination_of_two_kinds_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than one destinations"):
        destination_of(s3_bucket="a", vault_path="b/").destination()
