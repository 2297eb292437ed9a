"""The status page, as text: what it shows, that it escapes, and what its policy allows. `test_page_browser` looks at it in a browser."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import pytest

from secrettool.findings import Finding
from secrettool.sidecar.page import MOST_OBJECTS, ago, span
from secrettool.sidecar.state import ObjectState, SourceState
from tests.unit.sidecar.serving import NOW, TROUBLED, Answer, served, source

ATTACK = "\"'><script>document.title='pwned'</script><img src=x onerror=alert(1)>{{7*7}}{% raw %}&amp;"


class Reader(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(*sources: SourceState) -> Answer:
    with served(*sources) as client:
        return client.ask("/")


def text(*sources: SourceState) -> str:
    return " ".join(Reader(re.sub(r"<style>.*?</style>", "", shown(*sources).body, flags=re.DOTALL)).text.split())


def hostile() -> SourceState:
    finding = Finding("HK<b>", "error", ATTACK, file=ATTACK, line=3, subject=ATTACK, key=ATTACK, hint=ATTACK)
    return source(
        result="failed",
        revision=ATTACK,
        attempted_revision="x" + ATTACK,
        keys_error=ATTACK,
        lease=ATTACK,
        identities={ATTACK: 1},
        objects=(ObjectState(ATTACK, "failed", ATTACK), ObjectState("x" + ATTACK, "unchanged", ATTACK)),
        findings=(finding,),
    )


def test_it_shows_sources_revision_last_pass_objects_and_findings() -> None:
    page = text(source(objects=(ObjectState("Secret/web/app", "configured"),), lease="secrettool-prod"), TROUBLED)

    for part in (
        "1 of 2 sources failing",
        "prod well",
        "main@sha1:1234",
        "2027-01-15T07:58:59Z (1 min 1 s ago), done, 1.25 s",
        "2027-01-15T08:04:00Z (in 4 min 0 s)",
        "2 age",
        "secrettool-prod, held by this replica",
        "Secret/web/app configured",
        "edge failed: guard",
        "main@sha1:5678",
        "2 of 3 passes",
        "Secret/web/app: password: is a placeholder",
        "HK152",
        "fill it in",
        "held another field manager owns it",
    ):
        assert part in page, part


@pytest.mark.parametrize(
    ("state", "mood", "title"),
    [
        (source(), "prod well", "1 source, all well"),
        (source(result="failed", cause="source"), "prod failed: source", "1 of 1 source failing"),
        (source(result=None, last_success=None), "prod starting", "0 of 1 source ready"),
        (source(last_success=NOW - 5000), "prod out of date", "0 of 1 source ready"),
        (source(is_leader=False, phase="standby", lease="secrettool-prod"), "prod standing by", "1 source, all well"),
    ],
)
def test_states_are_told_in_words(state: SourceState, mood: str, title: str) -> None:
    page = text(state)

    assert (mood in page, title in page) == (True, True)


def test_a_replica_without_sources_says_so() -> None:
    assert "No source is for this replica." in text()


def test_refused_keys_are_shown_beside_those_in_use() -> None:
    assert "2 age; others were refused: no identity in it" in text(source(keys_error="no identity in it"))


def test_objects_to_look_at_come_first_and_open() -> None:
    objects = (ObjectState("Secret/a", "unchanged"), ObjectState("Secret/b", "conflict"), ObjectState("Secret/c", "configured", is_drifted=True))
    body = shown(source(objects=objects)).body
    details = [attributes for tag, attributes in Reader(body).tags if tag == "details"]

    assert details == [{"open": None}, {}]
    assert body.index("Secret/b") < body.index("Secret/c") < body.index("Secret/a")
    assert "had been changed by somebody else" in body


def test_very_many_objects_are_counted_and_not_all_shown() -> None:
    objects = tuple(ObjectState(f"Secret/ns/name-{number}", "unchanged") for number in range(MOST_OBJECTS + 7))
    page = text(source(objects=objects))

    assert f"{MOST_OBJECTS + 7} objects in order" in page
    assert "and 7 more" in page
    assert page.count("Secret/ns/name-") == MOST_OBJECTS


def test_everything_from_outside_is_escaped() -> None:
    body = shown(hostile()).body
    reader = Reader(body)

    assert {tag for tag, _ in reader.tags}.isdisjoint({"script", "img", "iframe", "object", "form", "input", "b"})
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert reader.text.count("<script>") >= 10
    assert "{{7*7}}" in body
    assert "&amp;amp;" in body


def test_characters_that_turn_or_break_text_are_shown_as_escapes() -> None:
    body = shown(source(objects=(ObjectState("Secret/a\u202eb\nc\x00", "failed", "d\u2066\r"),), revision="\u200f\x1b[31m")).body

    assert not [char for char in body if not char.isprintable() and char not in "\n\u00a0"]
    assert r"Secret/a\u202eb\nc\x00" in body


def test_it_works_without_scripts_and_sends_nothing_anywhere() -> None:
    reader = Reader(shown(source(), TROUBLED).body)
    links = [attributes[name] for _, attributes in reader.tags for name in ("href", "src", "action") if name in attributes]

    assert {tag for tag, _ in reader.tags}.isdisjoint({"script", "form", "iframe", "object", "embed", "base"})
    assert set(links) == {"data:,", "/", "/status", "/metrics"}
    assert not [attributes for _, attributes in reader.tags if "style" in attributes]


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    answer = shown(source())
    style = re.search(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    directives = {part.split()[0]: part.split()[1:] for part in answer.headers["Content-Security-Policy"].split(";")}
    assert directives == {
        "default-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "style-src": [f"'sha256-{digest}'"],
        "img-src": ["data:"],
    }
    assert not re.search(r"url\(|@import", style[1])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (86399, "23 h 59 min"), (90000, "1 d 1 h")],
)
def test_spans_of_time_are_told_in_two_units(seconds: float, told: str) -> None:
    assert span(seconds) == told.replace(" ", "\u00a0")


def test_a_time_that_never_was_is_not_yet() -> None:
    assert ago(None, NOW) == "not yet"
