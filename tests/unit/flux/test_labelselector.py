from __future__ import annotations

import pytest

from secrettool.flux.labelselector import parse

LABELS = {"app": "shop", "tier": "data", "n": "7"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("! other", True),
        ("app=shop", True),
        ("app == shop", True),
        ("app!=shop", False),
        ("other!=shop", True),
        ("tier in (web, data)", True),
        ("tier notin (web, data)", False),
        ("other notin (web)", True),
        ("other in (web)", False),
        ("app=shop,tier=web", False),
        ("app=shop, tier in (web,data) , n>6", True),
        ("n<7", False),
        ("app>6", False),
        ("inner", False),
        ("other=", False),
    ],
)
def test_selector_matches(text: str, matches: bool) -> None:
    assert all(requirement.matches(LABELS) for requirement in parse(text)) is matches


@pytest.mark.parametrize("text", ["a=(b", "a,", ",a", "a in b", "a=b c", "in (", "a in (x", "=b", "a>b"])
def test_selector_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        parse(text)
