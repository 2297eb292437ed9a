"""The status page in a real browser: on a phone and on a desk, in the light and in the dark, without scripts, with everything hostile in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.findings import Finding
from secrettool.sidecar.config import Http, Refresh
from secrettool.sidecar.state import ObjectState, SourceState
from tests.interop.peers import missing
from tests.unit.sidecar.browser import Tab, browsing
from tests.unit.sidecar.serving import NOW, TOKEN, TROUBLED, secret, served, source
from tests.unit.sidecar.test_page import hostile

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("browser")]

PHONE, DESK = 390, 1280

LOOKS = [(width, dark) for width in (320, PHONE, DESK) for dark in (False, True)]

CONTRAST = """
(() => {
  const parse = colour => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const [high, low] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    found.push([(high + 0.05) / (low + 0.05), element.className || element.tagName, walker.currentNode.data.trim().slice(0, 30)]);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    program = Path(found) if found else missing("chromium", "install Chromium (Debian: chromium)")
    with browsing(program, tmp_path_factory.mktemp("browser")) as tab:
        yield tab


def many_kinds() -> tuple[SourceState, ...]:
    """One source in each state, with long names."""
    long_name = "Secret/a-namespace-with-a-rather-long-name/" + "a-name-without-any-place-to-break-" * 6
    objects = (
        ObjectState("Secret/web/app", "conflict", "field manager kubectl-client-side-apply owns data.password"),
        ObjectState("Secret/web/db", "configured", is_drifted=True),
        ObjectState("Secret/web/mail", "unchanged"),
        ObjectState(long_name, "failed", "x" * 300),
    )
    notes = (
        Finding("HK120", "warning", "is not encrypted", file="apps/web/secret.yaml", line=12),
        Finding("HK007", "note", "has no key", file="/".join(["folder"] * 40)),
    )
    return (
        source("prod-cluster", lease="secrettool-prod-cluster", identities={"age": 2, "pgp": 1}, objects=objects[1:3]),
        TROUBLED,
        source("long-" + "x" * 34, result="failed", cause="apply", objects=objects, findings=notes, revision="main@sha1:" + "0123456789abcdef" * 4),
        source("standby", is_leader=False, lease="secrettool-standby", phase="standby"),
        source("new", result=None, last_success=None, last_attempt=None, passes=0, keys_loaded=False),
        source("old", last_success=NOW - 90_000, keys_error="the file holds no identity"),
    )


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_nothing_is_wider_than_the_screen(tab: Tab, width: int, dark: bool) -> None:
    with served(*many_kinds(), hostile()) as client:
        tab.look(width, dark=dark)
        tab.open(f"http://127.0.0.1:{client.port}/")
        assert tab.ask("innerWidth") == width
        assert tab.ask("document.documentElement.scrollWidth") <= width
        right = "e.getBoundingClientRect().right > innerWidth + 0.5"
        beyond = f"[...document.querySelectorAll('body *')].filter(e => {right}).map(e => e.className || e.tagName)"
        assert tab.ask(beyond) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(tab: Tab, dark: bool) -> None:
    with served(*many_kinds()) as client:
        tab.look(DESK, dark=dark)
        tab.open(f"http://127.0.0.1:{client.port}/")
        found: list[Any] = tab.ask(CONTRAST)

    assert len(found) > 60
    assert [each for each in found if each[0] < 4.5] == []


def test_the_scheme_of_colours_follows_the_reader(tab: Tab) -> None:
    with served(source()) as client:
        grounds = []
        for dark in (False, True):
            tab.look(PHONE, dark=dark)
            tab.open(f"http://127.0.0.1:{client.port}/")
            grounds.append(tab.ask("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(244, 245, 247)", "rgb(15, 18, 21)"]


def test_text_is_large_enough_and_links_can_be_hit_on_a_phone(tab: Tab) -> None:
    with served(*many_kinds()) as client:
        tab.look(PHONE)
        tab.open(f"http://127.0.0.1:{client.port}/")
        sizes = tab.ask("[...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))")
        heights = tab.ask("[...document.querySelectorAll('footer a, summary')].map(e => e.getBoundingClientRect().height)")

    assert min(sizes) >= 13
    assert min(heights) >= 44


def test_the_browser_has_nothing_to_complain_of(tab: Tab) -> None:
    with served(*many_kinds()) as client:
        tab.look(DESK)
        tab.open(f"http://127.0.0.1:{client.port}/")
        is_styled = tab.ask("getComputedStyle(document.querySelector('section')).borderRadius")

    assert tab.complaints == []
    assert is_styled == "8px"


def test_a_hostile_name_is_text_and_runs_nothing(tab: Tab) -> None:
    with served(hostile()) as client:
        tab.look(DESK)
        tab.open(f"http://127.0.0.1:{client.port}/")
        title = tab.ask("document.title")
        scripts = tab.ask("document.querySelectorAll('script, img, form, iframe').length")
        text = tab.ask("document.body.textContent")

    assert (title, scripts, tab.complaints) == ("1 of 1 source failing", 0, [])
    assert "<script>document.title='pwned'</script>" in text


def test_the_policy_would_stop_a_script_that_got_in(tab: Tab) -> None:
    with served(source()) as client:
        tab.look(DESK)
        tab.open(f"http://127.0.0.1:{client.port}/")
        tab.ask("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=`pwned`\"><p style=\"color:red\" id=red>x')")
        tab.ask("{ const e = document.createElement('script'); e.textContent = 'document.title = `pwned`'; document.body.append(e) }")
        tab.ask("fetch('/status').then(() => document.title = 'pwned').catch(() => 0), 0")

        assert tab.ask("document.title") == "1 source, all well"
        assert tab.ask("getComputedStyle(document.getElementById('red')).color") == "rgb(27, 31, 36)"
        assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_without_scripts_everything_is_there_and_the_lists_open(tab: Tab) -> None:
    with served(*many_kinds()) as client:
        tab.look(PHONE)
        tab.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            tab.open(f"http://127.0.0.1:{client.port}/")
            closed = tab.html()
            root = tab.call("DOM.getDocument", depth=0)["root"]["nodeId"]
            summary = tab.call("DOM.querySelector", nodeId=root, selector="details:not([open]) summary")["nodeId"]
            tab.call("DOM.scrollIntoViewIfNeeded", nodeId=summary)
            quad = tab.call("DOM.getBoxModel", nodeId=summary)["model"]["content"]
            tab.click((quad[0] + quad[2]) / 2, (quad[1] + quad[5]) / 2)
            opened = tab.html()
        finally:
            tab.call("Emulation.setScriptExecutionDisabled", value=False)

    assert "Secret/web/app" in closed
    assert opened.count('open=""') == closed.count('open=""') + 1


def test_a_browser_gets_in_with_the_token_as_password(tab: Tab, tmp_path: Path) -> None:
    with served(source(), http=Http(), refresh=Refresh(token_file=secret(tmp_path, "token", TOKEN))) as client:
        tab.look(PHONE)
        tab.open(f"http://me:{TOKEN}@127.0.0.1:{client.port}/")
        page = tab.html()

    assert "prod" in page
    assert TOKEN not in page


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_picture_can_be_taken(tab: Tab, tmp_path: Path, width: int, dark: bool) -> None:
    with served(*many_kinds()) as client:
        tab.look(width, dark=dark)
        tab.open(f"http://127.0.0.1:{client.port}/")
        picture = tmp_path / f"{width}-{'dark' if dark else 'light'}.png"
        tab.picture(picture)

    assert picture.read_bytes().startswith(b"\x89PNG")
