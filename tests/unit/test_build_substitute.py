"""Variables in objects: what becomes of types, which objects opt out, where variables come from, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from secrettool.build.substitute import load_variables, substituted
from secrettool.errors import HookError
from secrettool.flux.kustomization import PostBuild, SubstituteFrom


def config_map(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def test_a_variable_can_become_a_number_or_a_mapping() -> None:
    obj = config_map(a="${N}", b="${M}", c='"${N}"')
    done = substituted(obj, {"N": "3", "M": "{x: 1}"}, strict=True)
    assert done["data"] == {"a": 3, "b": {"x": 1}, "c": '"3"'}


def test_a_text_that_needs_quotes_keeps_its_type() -> None:
    assert substituted(config_map(a="${N}: x"), {"N": "3"}, strict=True)["data"] == {"a": "3: x"}


def test_keys_are_substituted_too() -> None:
    assert substituted(config_map(**{"${N}": "a"}), {"N": "k"}, strict=True)["data"] == {"k": "a"}


@pytest.mark.parametrize("obj", [config_map(a="b"), config_map(a=1)])
def test_an_object_without_dollars_is_the_same_object(obj: dict[str, Any]) -> None:
    assert substituted(obj, {"N": "3"}, strict=True) is obj


def test_without_variables_nothing_is_done() -> None:
    obj = config_map(a="${N}")
    assert substituted(obj, {}, strict=True) is obj


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_an_object_opts_out_by_label_or_annotation(part: str) -> None:
    obj = config_map(a="${N}")
    obj["metadata"][part] = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    assert substituted(obj, {"N": "3"}, strict=True) is obj


def test_another_spelling_of_disabled_does_not_count() -> None:
    obj = config_map(a="${N}")
    obj["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/substitute": "Disabled"}
    assert substituted(obj, {"N": "3"}, strict=True)["data"] == {"a": 3}


@pytest.mark.parametrize(
    ("data", "value"), [({"a": "${N}"}, "[canary"), ({"a": "${N"}, "canary"), ({"a": "${OTHER}"}, "canary"), ({"a": "x: ${N}"}, "a'b")]
)
def test_a_failure_names_the_object_and_no_value(data: dict[str, str], value: str) -> None:
    with pytest.raises(HookError) as raised:
        substituted(config_map(**data), {"N": value}, strict=True)
    assert raised.value.rule == "HK144"
    assert str(raised.value).startswith("HK144 ConfigMap/c: ")
    assert "canary" not in str(raised.value)


def test_an_object_that_is_none_any_more_is_refused() -> None:
    with pytest.raises(HookError, match="no object"):
        substituted({**config_map(a="b"), "kind": "${EMPTY:=''}"}, {"N": "1"}, strict=True)


def test_texts_that_changed_are_kept_and_others_are_not() -> None:
    before = config_map(a="ENC[1]", b=["${N}", "ENC[2]"], c="${N}")
    after = config_map(a="x$${N}\n", b=["${N}", "${N}"], c="${N}")
    done = substituted(after, {"N": "me"}, strict=True, before=before)
    assert done["data"] == {"a": "x$${N}\n", "b": ["me", "${N}"], "c": "me"}


def test_an_object_cannot_ask_for_a_kept_text_elsewhere() -> None:
    after = config_map(a="${N}canary", b="secrettool-0-", c="secrettool-${N}-0-")
    done = substituted(after, {"N": "me"}, strict=True, before=config_map(a="ENC[]", b="secrettool-0-", c="secrettool-${N}-0-"))
    assert done["data"] == {"a": "${N}canary", "b": "secrettool-0-", "c": "secrettool-me-0-"}


def test_variables_of_the_kustomization_win_and_lose_their_line_ends() -> None:
    post_build = PostBuild({"A": "own\n"}, (SubstituteFrom("ConfigMap", "one", False), SubstituteFrom("Secret", "two", False)))
    known = {"one": {"A": "1", "B": "1\n2"}, "two": {"B": "3", "C": "4"}}
    assert load_variables(post_build, lambda reference: known[reference.name]) == {"A": "own", "B": "3", "C": "4"}


def test_a_missing_source_of_variables_is_an_error_unless_it_is_optional() -> None:
    optional, needed = SubstituteFrom("Secret", "s", True), SubstituteFrom("Secret", "s", False)
    assert load_variables(PostBuild({}, (optional,)), lambda _: None) == {}
    with pytest.raises(HookError, match="HK144 Secret/s"):
        load_variables(PostBuild({}, (needed,)), lambda _: None)


@pytest.mark.parametrize("name", ["a-b", "1a", "", "ä"])
def test_a_name_that_no_variable_can_have_is_refused(name: str) -> None:
    with pytest.raises(HookError, match="HK144"):
        load_variables(PostBuild({name: "x"}, ()), lambda _: None)
