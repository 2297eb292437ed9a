"""A value shows nothing of itself."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import SourceError
from secrettool.sources.value import MASK, SecretValue
from tests.unit.sources.support import shows_nothing

SECRET = b"canary-7c1e"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda value: f"{value}",
        lambda value: f"{value!r:>40}",
        lambda value: "%s and %r" % (value, value),  # noqa: UP031
        lambda value: format(value, ">20"),
        "{0} {0!s}".format,
        lambda value: "".join([value, "x"]),
        lambda value: value + "x",
        lambda value: json.dumps({"value": value}),
        lambda value: json.JSONEncoder(indent=1).encode([value]),
        lambda value: yaml.dump({"value": str(value)}),
        lambda value: repr({"value": [value]}),
        lambda value: value.encode(),
        pickle.dumps,
        lambda value: pickle.loads(pickle.dumps(value)),
        lambda value: value[:],
        lambda value: value.upper(),
    ],
)
def test_pt_21_every_way_to_show_it_gives_the_mask(show: object) -> None:
    assert callable(show)
    shown = show(SecretValue(SECRET))
    assert "canary" not in repr(shown).lower()
    assert MASK in repr(shown)


@given(st.binary(min_size=1, max_size=60).filter(lambda data: data.strip(b"*")))
def test_pt_21_no_text_made_of_it_depends_on_it(data: bytes) -> None:
    value, other = SecretValue(data), SecretValue(b"another")
    for show in (str, repr, json.dumps, pickle.dumps, len, bool, lambda secret: f"{secret:>9}"):
        assert show(value) == show(other)


def test_pt_21_log_and_traceback_show_the_mask(caplog: pytest.LogCaptureFixture) -> None:
    value = SecretValue(SECRET)
    logging.getLogger("orchard").warning("got %s, %r", value, [value])
    try:
        raise ValueError(value)
    except ValueError as error:
        shown = "".join(traceback.format_exception(error)) + caplog.text
    assert "canary" not in shown
    assert MASK in shown


def test_values_are_equal_when_their_bytes_are() -> None:
    assert SecretValue(SECRET) == SecretValue(SECRET)
    assert SecretValue(SECRET) != SecretValue(b"other")
    assert SecretValue(SECRET) != MASK
    assert MASK not in [SecretValue(SECRET)]  # compared the other way round
    assert (SecretValue(b"***") == MASK) is False


def test_value_has_no_digest() -> None:
    with pytest.raises(TypeError):
        hash(SecretValue(SECRET))


def test_copy_is_the_value_itself() -> None:
    value = SecretValue(SECRET)
    assert copy.copy(value) is value
    assert copy.deepcopy({"a": value})["a"] is value


def test_bytes_and_text_come_out_on_demand() -> None:
    assert SecretValue(SECRET).reveal() == SECRET
    assert SecretValue("größe".encode()).text() == "größe"
    assert (SecretValue(b"").is_empty, SecretValue(b"0").is_empty) == (True, False)


def test_bytes_that_are_no_text_are_not_quoted() -> None:
    with pytest.raises(SourceError) as refused:
        SecretValue(b"canary\xff").text()
    assert refused.value.rule == "VL05"
    shows_nothing(refused.value)
