"""Every vector of mode `objects`: what the real Flux did with an object, and what the requirements change about it by default."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest

from secrettool.errors import HookError
from secrettool.flux import FluxKustomization
from secrettool.hook import Decryptor, HookConfig, is_decrypting
from tests.hook import cases
from tests.hook.cases import Case, Expected
from tests.hook.keys import key_set

FLUX = HookConfig(parity="flux", sources="flux", mac="skip", env_keys=True)
DEFAULT = HookConfig(env_keys=False)

NO_SWITCH = frozenset({"DA-07", "DA-15"})
"""Requirements that win even when every departure is switched off."""

CODES = (
    ("HK101", 'secrets "'),
    ("HK102", "cannot get sops decryption Secret"),
    ("HK103", "failed to import "),
    ("HK110", "failed to load encrypted"),
    ("HK111", "cannot get sops data key"),
    ("HK113", "does not match sops' data format"),
    ("HK112", "error decrypting sops tree"),
    ("HK115", "failed to emit encrypted"),
)
"""The code of an error of Flux, by a part of its text."""

Result = Mapping[str, Any] | HookError

OBJECT_CASES = list(cases.of_mode("objects"))


def results_of(case: Case, config: HookConfig) -> list[Result] | HookError:
    """What becomes of each object; one error when the keys cannot be read."""
    if not is_decrypting(FluxKustomization.from_object(case.flux)):
        return list(case.objects)
    try:
        keys = key_set(case, env_keys=config.env_keys)
    except HookError as error:
        return error
    with keys:
        decryptor = Decryptor(config, keys)
        return [one_result(decryptor, obj) for obj in case.objects]


def one_result(decryptor: Decryptor, obj: Mapping[str, Any]) -> Result:
    try:
        return decryptor.open_object(obj).obj
    except HookError as error:
        return error


def code_of(expected: Expected) -> str:
    text = expected["error"]["text"]
    return next(code for code, part in CODES if part in text)


def is_as_expected(result: Result, expected: Expected) -> bool:
    if isinstance(result, HookError):
        return cases.stage(expected) == "resource" and result.rule == code_of(expected)
    return "object" in expected and result == expected["object"]


def check(case: Case, results: list[Result] | HookError) -> None:
    expected = case.expected()
    if isinstance(results, HookError):
        assert cases.stage(expected) == "keys"
        assert results.rule == code_of(expected)
        return
    assert cases.stage(expected) is None
    assert len(results) == len(case.outcomes())
    for number, (result, accepted) in enumerate(zip(results, case.outcomes(), strict=True)):
        assert any(is_as_expected(result, each) for each in accepted), f"object {number}"


def of(case_id: str, config: HookConfig = DEFAULT) -> list[Result] | HookError:
    return results_of(cases.all_cases()[case_id], config)


def test_all_object_vectors_are_here() -> None:
    assert len(OBJECT_CASES) == 147


@pytest.mark.parametrize("case", [case for case in OBJECT_CASES if not case.departs & NO_SWITCH], ids=lambda case: case.id)
def test_without_departures_the_result_is_that_of_flux(case: Case) -> None:
    check(case, results_of(case, FLUX))


@pytest.mark.parametrize("case", [case for case in OBJECT_CASES if not case.departs], ids=lambda case: case.id)
def test_the_default_is_that_of_flux_where_no_requirement_departs(case: Case) -> None:
    check(case, results_of(case, DEFAULT))


# ---- requirements without a switch ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case_id", ["keys-crlf-twice", "keys-leading-blank", "keys-trailing-blank", "keys-indented-comment", "keys-blank-line-with-spaces"]
)
@pytest.mark.parametrize("config", [FLUX, DEFAULT], ids=["flux", "default"])
def test_da_07_blanks_around_an_identity_are_no_error(case_id: str, config: HookConfig) -> None:
    results = of(case_id, config)
    assert isinstance(results, list)
    assert [result["stringData"] for result in results if isinstance(result, Mapping)] == [{"user": "alice", "password": "hunter2"}]


@pytest.mark.parametrize("case_id", ["keys-empty-entry", "keys-comments-only", "fallback-environment-when-comments-only"])
@pytest.mark.parametrize("config", [FLUX, DEFAULT], ids=["flux", "default"])
def test_da_07_an_entry_without_an_identity_is_an_error(case_id: str, config: HookConfig) -> None:
    error = of(case_id, config)
    assert isinstance(error, HookError)
    assert error.rule == "HK103"
    assert "no age identity in it" in str(error)


@pytest.mark.parametrize("config", [FLUX, DEFAULT], ids=["flux", "default"])
def test_da_15_compact_json_is_found(config: HookConfig) -> None:
    results = of("detect-compact-json", config)
    assert isinstance(results, list)
    (result,) = results
    assert isinstance(result, Mapping)
    assert all(b"ENC[" not in content for content in contents(result).values())


def test_da_15_of_two_markers_the_structure_decides() -> None:
    results = of("detect-two-markers")
    assert isinstance(results, list)
    (result,) = results
    assert isinstance(result, Mapping)
    assert json.loads(contents(result)["a.json"]) == {"note_unencrypted": "mac: ENC[ here", "p": "x"}


def test_da_15_a_document_in_yaml_with_markers_of_others_opens_every_time() -> None:
    case = cases.all_cases()["detect-two-markers-dotenv"]
    accepted = [each["object"] for each in case.outcomes()[0] if "object" in each]
    results = results_of(case, DEFAULT)
    assert isinstance(results, list)
    assert results == accepted


# ---- departures that are on by default -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", ["fallback-environment", "fallback-environment-file", "fallback-environment-when-no-age-entry"])
def test_da_10_keys_of_the_environment_can_be_switched_off(case_id: str) -> None:
    results = of(case_id)
    assert isinstance(results, list)
    assert [result.rule for result in results if isinstance(result, HookError)] == ["HK111"]


def test_da_16_documents_in_string_data_are_opened() -> None:
    results = of("detect-string-data")
    assert isinstance(results, list)
    assert [result["stringData"] for result in results if isinstance(result, Mapping)] == [
        {"a.yaml": "user: alice\npassword: hunter2\nport: 5432\n", "plain": "x"}
    ]


def test_da_16_documents_in_a_config_map_are_opened() -> None:
    results = of("detect-config-map")
    assert isinstance(results, list)
    first, second = results
    assert isinstance(first, Mapping) and isinstance(second, Mapping)
    assert first["data"] == {"a.yaml": "user: alice\npassword: hunter2\nport: 5432\n"}
    assert second["binaryData"] == {"a.yaml": "dXNlcjogYWxpY2UKcGFzc3dvcmQ6IGh1bnRlcjIKcG9ydDogNTQzMgo="}


def test_da_17_a_split_dotenv_file_is_put_together_and_opened() -> None:
    results = of("detect-split-dotenv")
    assert isinstance(results, list)
    (result,) = results
    assert isinstance(result, Mapping)
    assert contents(result) == {"USER": b"alice", "PASSWORD": b"hunter2", "URL": b"postgres://db:5432/x?a=b"}


def contents(obj: Mapping[str, Any]) -> dict[str, bytes]:
    """The entries of a Secret's data, decoded."""
    return {name: b64decode(text) for name, text in obj["data"].items()}
