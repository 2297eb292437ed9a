"""Generated documents, given to secrettool and to the real sops: every answer is the same, or differs in a way that has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrettool.library import StoreName
from tests.interop.fuzz.comparison import DIRECTIONS, Comparison, Kind
from tests.interop.fuzz.found import FOUND, Found
from tests.interop.fuzz.runner import STORES, chunk, comparison, smallest

pytestmark = pytest.mark.real

DOCUMENTS = 500
"""For each store, in all directions."""
PARTS = 10
"""Tests that they are spread over."""


@pytest.fixture
def pair(real_sops: Path, tmp_path: Path) -> Comparison:
    return comparison(real_sops, tmp_path)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("store", STORES)
def test_generated_documents_differ_only_in_ways_that_have_a_name(store: StoreName, part: int, real_sops: Path, pair: Comparison) -> None:
    tally = chunk(real_sops, store, DOCUMENTS // PARTS, part)
    assert not tally.findings, smallest(pair, tally.findings[0])
    for direction in DIRECTIONS:
        assert tally.counts[store, direction, Kind.EQUAL, ""] > 0


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.what)
def test_a_document_that_was_found_comes_out_as_noted(found: Found, pair: Comparison) -> None:
    outcomes = pair.outcomes(found.case)
    assert {direction: outcome.name for direction, outcome in outcomes.items()} == {
        "encrypt": found.encrypt,
        "decrypt": found.decrypt,
        "edit": found.edit,
    }
