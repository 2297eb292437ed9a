"""Plain text beside its metadata, new files before they are written, and which envelopes a typed change keeps."""

from __future__ import annotations

import pytest

from secrettool.errors import EmitError, ExitCode, MetadataError, MetadataNotFound, SecrettoolError, UsageError
from secrettool.sops import changing, showing
from secrettool.sops.document import EncryptionPlan, Runtime, load, plain_bytes
from secrettool.sops.keygroups import MasterKey
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Leaf
from secrettool.stores import by_name

TEXTS = {
    "yaml": b"# head\na: one # beside\nb:\n- x\n- 1.50\nc_unencrypted: 0755\nd: |\n  two\n  lines\n---\ne: 1\n",
    "json": b'{"a": "one",\n "b": ["x", 1.50, null],\n "c_unencrypted": 7}\n',
    "dotenv": b"# head\nA=one\n\nB=two\\nlines",
    "ini": b"; head\n[part]\nb = two ; beside\n",
    "binary": "any téxt\r\n".encode(),
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_with_its_section_is_split_into_the_same_two(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file, opened = changing.draft(by_name(name), TEXTS[name], plan, runtime)
    shown = showing.with_section(file, opened)
    assert b"age1one" in shown
    assert showing.without_section(file.store, shown) == (TEXTS[name], file.metadata)


def test_bytes_that_no_json_can_hold_are_not_shown(plan: EncryptionPlan, runtime: Runtime) -> None:
    file, opened = changing.draft(by_name("binary"), b"\xff\x00", plan, runtime)
    with pytest.raises(EmitError):
        showing.with_section(file, opened)


def test_text_whose_section_was_cut_away_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    file, _ = changing.draft(by_name("json"), TEXTS["json"], plan, runtime)
    with pytest.raises(MetadataNotFound):
        showing.without_section(file.store, TEXTS["json"])
    with pytest.raises(MetadataError):
        showing.without_section(file.store, b'{"a": 1, "sops": {}}')


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_draft_can_be_edited_and_opened(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file, opened = changing.draft(by_name(name), TEXTS[name], plan, runtime)
    assert plain_bytes(file, opened) == TEXTS[name]
    wanted = TEXTS[name].replace(b"t", b"T")
    again = load(file.store, changing.replace_text(file, opened, wanted, runtime))
    assert plain_bytes(again, again.open(runtime)) == wanted


def test_draft_without_a_key_is_128(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(SecrettoolError) as caught:
        changing.draft(by_name("json"), TEXTS["json"], plan._replace(groups=((),)), runtime)
    assert caught.value.code == ExitCode.DATA_KEY_UNAVAILABLE


def test_draft_with_a_broken_selector_is_8(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(UsageError) as caught:
        changing.draft(by_name("json"), TEXTS["json"], plan._replace(selector=Selector("encrypted_regex", "(")), runtime)
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


def test_draft_of_several_groups_says_how_many_are_needed(runtime: Runtime) -> None:
    groups = tuple((MasterKey("age", {"recipient": f"age1{name}"}),) for name in ("one", "two"))
    file, _ = changing.draft(by_name("json"), TEXTS["json"], EncryptionPlan(groups), runtime)
    assert file.metadata.shamir_threshold == 2


@pytest.mark.parametrize("name", ["yaml", "json"])
def test_set_of_another_type_with_the_same_text_is_a_change(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file, opened = changing.draft(by_name(name), b'{"a": 2, "b": 2}', plan, runtime)
    again = load(file.store, changing.set_value(file, opened, ("a",), Leaf(2.0), runtime))
    kinds = [was.kind for was in again.open(runtime).opened if was is not None]
    assert kinds == ["float", "int"]
