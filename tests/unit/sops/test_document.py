"""The verbs over every store: encrypt, open, set, unset, edit, rotate, change keys."""

from __future__ import annotations

import json
import re

import pytest

from secrettool.errors import (
    AlreadyEncryptedError,
    ConfigError,
    EmitError,
    ExitCode,
    FormatError,
    MacError,
    MetadataNotFound,
    SecrettoolError,
    TreeDecryptError,
    TreeEncryptError,
    UsageError,
)
from secrettool.sops import changing, rekeying
from secrettool.sops.document import Encrypted, EncryptionPlan, Runtime, SealedFile, encrypt, load, plain_bytes
from secrettool.sops.keygroups import MasterKey
from secrettool.sops.selection import Selector
from secrettool.sops.store import Store
from secrettool.sops.tree import Branch, Item, Leaf
from secrettool.stores import by_name

SAMPLES = {
    "yaml": b"# head\na: hazelnut # beside\nb:\n    - x\n    - 1.50\n    # tail\nc_unencrypted: 0755\nd: |\n    two\n    lines\n",
    "json": b'{\n  "a": "hazelnut",\n  "b": ["x", 1.50, true],\n  "c_unencrypted": 7,\n  "d": "\\u00e9"\n}\n',
    "dotenv": b"# head\nA=hazelnut\nB=two\\nlines\nC_unencrypted=x\n\nD='quoted'",
    "ini": b"; head\nroot = hazelnut\n\n[part]\nb = 'two' ; beside\nc_unencrypted: 7\n",
    "binary": bytes(range(256)),
}
STORES = sorted(SAMPLES)
ENVELOPE = re.compile(rb"ENC\[AES256_GCM,[^\]]*\]")


def store_of(name: str) -> Store:
    return by_name(name)


def sealed(name: str, plan: EncryptionPlan, runtime: Runtime, data: bytes | None = None) -> SealedFile:
    return load(store_of(name), encrypt(store_of(name), SAMPLES[name] if data is None else data, plan, runtime).data)


def plain(file: SealedFile, runtime: Runtime) -> bytes:
    return plain_bytes(file, file.open(runtime))


@pytest.mark.parametrize("name", STORES)
def test_decrypting_gives_back_the_bytes_that_were_encrypted(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    assert plain(sealed(name, plan, runtime), runtime) == SAMPLES[name]


@pytest.mark.parametrize("name", STORES)
def test_every_value_is_sealed_and_clear_ones_stay(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    done = encrypt(store_of(name), SAMPLES[name], plan, runtime)
    assert b"hazelnut" not in done.data
    assert done.matched > 0
    if name != "binary":
        assert b"unencrypted" in done.data


@pytest.mark.parametrize("name", STORES)
def test_encrypting_again_with_the_old_file_changes_nothing(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    old = sealed(name, plan, runtime)
    done = encrypt(store_of(name), SAMPLES[name], plan, runtime, old=old)
    assert not done.changed
    assert done.data == old.data


@pytest.mark.parametrize("name", [name for name in STORES if name != "binary"])
def test_encrypting_a_change_with_the_old_file_keeps_all_other_envelopes(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    old = sealed(name, plan, runtime)
    done = encrypt(store_of(name), SAMPLES[name].replace(b"hazelnut", b"three"), plan, runtime, old=old)
    before, after = set(ENVELOPE.findall(old.data)), set(ENVELOPE.findall(done.data))
    assert len(before - after) == 2  # the value and the MAC
    assert len(after - before) == 2
    assert plain(load(old.store, done.data), runtime) == SAMPLES[name].replace(b"hazelnut", b"three")


@pytest.mark.parametrize("name", ["yaml", "json", "dotenv"])
def test_set_changes_one_value_and_keeps_every_other_line(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    key = "A" if name == "dotenv" else "a"
    done = changing.set_value(file, file.open(runtime), (key,), Leaf("new"), runtime)
    assert plain(load(file.store, done), runtime) == SAMPLES[name].replace(b"hazelnut", b"new")
    assert len(set(ENVELOPE.findall(done)) & set(ENVELOPE.findall(file.data))) == len(ENVELOPE.findall(file.data)) - 2


@pytest.mark.parametrize("name", ["yaml", "json"])
def test_set_of_the_value_that_is_there_writes_nothing(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    assert changing.set_value(file, file.open(runtime), ("a",), Leaf("hazelnut"), runtime) == file.data


@pytest.mark.parametrize("name", ["yaml", "json"])
def test_set_keeps_the_type_that_it_was_given(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    done = load(file.store, changing.set_value(file, file.open(runtime), ("a",), Leaf(7.0), runtime))
    item = done.open(runtime).tree[0].find("a")
    assert item is not None and isinstance(item.value, Leaf)
    assert type(item.value.value) is float
    again = load(file.store, changing.set_value(done, done.open(runtime), ("new",), Leaf("x"), runtime))
    item = again.open(runtime).tree[0].find("a")
    assert item is not None and isinstance(item.value, Leaf)
    assert type(item.value.value) is float


@pytest.mark.parametrize("name", ["yaml", "json"])
def test_unset_removes_one_entry(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    done = load(file.store, changing.unset_value(file, file.open(runtime), ("b", 0), runtime))
    assert b"x" not in plain(done, runtime).replace(b"unencrypted", b"")


def test_a_file_whose_plain_text_sops_breaks_can_be_changed(plan: EncryptionPlan, runtime: Runtime) -> None:
    # In INI a backslash at the end of a line joins it to the next one, here to one that starts with three quotes.
    data = rb'{"DEFAULT": {"path": "C:\\", "text": "\n", "k": "hazelnut"}}'
    file = load(store_of("ini"), encrypt(store_of("json"), data, plan, runtime, target=store_of("ini")).data)
    with pytest.raises(FormatError):
        file.store.parse(plain(file, runtime))
    done = load(file.store, changing.set_value(file, file.open(runtime), ("DEFAULT", "k"), Leaf("new"), runtime))
    assert json.loads(plain_bytes(done, done.open(runtime), target=store_of("json"))) == json.loads(data.replace(b"hazelnut", b"new"))
    edited = load(file.store, changing.replace_text(file, file.open(runtime), b'path = "C:\\"\nk = hazelnut\n', runtime))
    assert plain(edited, runtime) == b'path = "C:\\"\nk = hazelnut\n'


@pytest.mark.parametrize("name", STORES)
def test_editing_without_a_change_gives_the_old_bytes(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    assert changing.replace_text(file, file.open(runtime), SAMPLES[name], runtime) == file.data


@pytest.mark.parametrize("name", [name for name in STORES if name != "binary"])
def test_editing_keeps_envelopes_of_values_that_stay(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    edited = SAMPLES[name].replace(b"hazelnut", b"other")
    done = changing.replace_text(file, file.open(runtime), edited, runtime)
    assert plain(load(file.store, done), runtime) == edited
    assert len(set(ENVELOPE.findall(done)) - set(ENVELOPE.findall(file.data))) == 2


def test_editing_raises_the_version_and_never_lowers_it(plan: EncryptionPlan, runtime: Runtime) -> None:
    for version, wanted in (("3.1.0", "3.13.2"), ("9.0.0", "9.0.0")):
        file = load(store_of("json"), sealed("json", plan, runtime).data.replace(b"3.13.2", version.encode()))
        done = changing.replace_text(file, file.open(runtime), SAMPLES["json"].replace(b"hazelnut", b"1"), runtime)
        assert load(store_of("json"), done).metadata.version == wanted


@pytest.mark.parametrize("name", STORES)
def test_rotating_seals_everything_anew_and_keeps_the_text(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    opened = file.open(runtime)
    done = load(file.store, rekeying.rotate(file, opened, runtime))
    assert done.unlock(runtime) != opened.data_key
    assert plain(done, runtime) == SAMPLES[name]
    assert not set(ENVELOPE.findall(done.data)) & set(ENVELOPE.findall(file.data))
    if name == "binary":
        return  # it gains the line of the default selector, which a new binary file does not write
    assert ENVELOPE.sub(b"", done.data).count(b"\n") == ENVELOPE.sub(b"", file.data).count(b"\n")


def test_rotating_adds_and_removes_keys(plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed("json", plan, runtime)
    two = MasterKey("age", {"recipient": "age1two"})
    done = load(file.store, rekeying.rotate(file, file.open(runtime), runtime, add=[two], remove=plan.groups[0]))
    assert [key.text for key in done.metadata.groups[0]] == ["age1two"]
    with pytest.raises(ConfigError, match="empty key group"):
        rekeying.rotate(file, file.open(runtime), runtime, remove=plan.groups[0])


@pytest.mark.parametrize("name", STORES)
def test_changing_keys_touches_neither_values_nor_mac(name: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed(name, plan, runtime)
    two = MasterKey("age", {"recipient": "age1two"})
    done = load(file.store, rekeying.change_groups(file, file.unlock(runtime), ((*plan.groups[0], two),), 0, runtime))
    assert ENVELOPE.findall(done.data) == ENVELOPE.findall(file.data)
    assert done.metadata.lastmodified == file.metadata.lastmodified
    assert done.metadata.groups[0][0] == file.metadata.groups[0][0]
    assert plain(done, runtime) == SAMPLES[name]


def test_changing_keys_refuses_an_empty_group(plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed("json", plan, runtime)
    with pytest.raises(ConfigError, match="empty key group"):
        rekeying.change_groups(file, file.unlock(runtime), ((),), 0, runtime)


def test_several_groups_with_a_threshold(plan: EncryptionPlan, runtime: Runtime) -> None:
    groups = tuple((MasterKey("age", {"recipient": f"age1{name}"}),) for name in "abc")
    file = sealed("json", plan._replace(groups=groups, shamir_threshold=2), runtime)
    assert file.metadata.shamir_threshold == 2
    assert plain(file, runtime) == SAMPLES["json"]


@pytest.mark.parametrize(("source", "target"), [("yaml", "json"), ("json", "yaml"), ("dotenv", "json"), ("ini", "yaml"), ("dotenv", "yaml")])
def test_encrypting_into_another_format_and_back(source: str, target: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    done = encrypt(store_of(source), SAMPLES[source], plan, runtime, target=store_of(target))
    file = load(store_of(target), done.data)
    wanted = store_of(target).emit(store_of(source).parse(SAMPLES[source]).tree)
    assert plain_bytes(file, file.open(runtime), target=store_of(target)) == wanted


def test_mac_only_encrypted_leaves_clear_values_out(plan: EncryptionPlan, runtime: Runtime) -> None:
    for only, refused in ((True, False), (False, True)):
        data = encrypt(store_of("json"), SAMPLES["json"], plan._replace(mac_only_encrypted=only), runtime).data
        file = load(store_of("json"), data.replace(b'"c_unencrypted": 7', b'"c_unencrypted": 8'))
        if refused:
            with pytest.raises(MacError, match="MAC mismatch"):
                file.open(runtime)
        else:
            assert file.open(runtime).nodes


def tampered(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def test_a_changed_value_is_named_by_its_path_and_never_quoted(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = sealed("json", plan, runtime).data
    envelope = ENVELOPE.search(data)
    assert envelope is not None
    broken = envelope[0].replace(b"data:", b"data:AAAA")
    with pytest.raises(TreeDecryptError) as caught:
        load(store_of("json"), tampered(data, envelope[0], broken)).open(runtime)
    assert caught.value.where == "a"
    assert "AAAA" not in str(caught.value)


def test_a_clear_number_where_an_envelope_is_due_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = sealed("json", plan, runtime).data
    envelope = ENVELOPE.search(data)
    assert envelope is not None
    with pytest.raises(TreeDecryptError, match="got int"):
        load(store_of("json"), tampered(data, b'"' + envelope[0] + b'"', b"7")).open(runtime)


@pytest.mark.parametrize("old", [rb'"mac": "[^"]*"', rb'"lastmodified": "[^"]*"'])
def test_a_changed_mac_or_time_is_refused_unless_ignored(old: bytes, plan: EncryptionPlan, runtime: Runtime) -> None:
    data = sealed("json", plan, runtime).data
    new = b'"lastmodified": "2020-01-01T00:00:00Z"' if b"last" in old else b'"mac": ""'
    file = load(store_of("json"), re.sub(old, new, data))
    with pytest.raises(MacError):
        file.open(runtime)
    # The notation entry belongs to the MAC: without it the values come in their canonical spelling.
    canonical = SAMPLES["json"].replace(b"\\u00e9", "é".encode()).replace(b"1.50", b"1.5")
    assert plain_bytes(file, file.open(runtime, ignore_mac=True)) in (SAMPLES["json"], canonical)


def test_a_missing_mac_says_so(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = re.sub(rb'"mac": "[^"]*"', b'"mac": ""', sealed("json", plan, runtime).data)
    with pytest.raises(MacError, match="File has no MAC"):
        load(store_of("json"), data).open(runtime)


def test_a_mac_of_other_values_shows_no_digest(plan: EncryptionPlan, runtime: Runtime) -> None:
    data = tampered(sealed("json", plan, runtime).data, b'"c_unencrypted": 7', b'"c_unencrypted": 8')
    with pytest.raises(MacError) as caught:
        load(store_of("json"), data).open(runtime)
    assert not re.search(r"[0-9A-F]{16}", str(caught.value) + str(caught.value.hint))


@pytest.mark.parametrize(("name", "data"), [("json", b'{"sops": 1}'), ("yaml", b"sops: 1\n"), ("ini", b"[sops]\nx = 1\n"), ("dotenv", b"sops_x=1\n")])
def test_the_reserved_key_is_refused(name: str, data: bytes, plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(AlreadyEncryptedError):
        encrypt(store_of(name), data, plan, runtime)


def test_the_reserved_key_in_a_later_document_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(EmitError, match="reserved"):
        encrypt(store_of("yaml"), b"a: 1\n---\nsops: 1\n", plan, runtime)


def test_broken_plain_text_is_an_input_error_and_broken_encrypted_text_is_not(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(FormatError) as caught:
        encrypt(store_of("json"), b"{", plan, runtime)
    assert caught.value.code == ExitCode.INPUT_UNREADABLE
    with pytest.raises(FormatError) as caught:
        load(store_of("json"), b"{")
    assert caught.value.code == ExitCode.GENERIC


def test_plain_text_has_no_metadata() -> None:
    with pytest.raises(MetadataNotFound, match="sops metadata not found"):
        load(store_of("json"), b'{"a": 1}')


def test_an_expression_that_does_not_compile_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(UsageError) as caught:
        encrypt(store_of("json"), SAMPLES["json"], plan._replace(selector=Selector("encrypted_regex", "(")), runtime)
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


def nothing_matches(plan: EncryptionPlan, runtime: Runtime, strict: bool) -> Encrypted:
    return encrypt(store_of("json"), SAMPLES["json"], plan._replace(selector=Selector("encrypted_regex", "^zz$")), runtime, strict=strict)


def test_a_selection_that_matches_nothing_warns_and_is_refused_when_strict(plan: EncryptionPlan, runtime: Runtime) -> None:
    assert "no value was encrypted" in nothing_matches(plan, runtime, strict=False).warnings[0]
    with pytest.raises(SecrettoolError, match="no value was encrypted"):
        nothing_matches(plan, runtime, strict=True)


def test_an_empty_file_has_nothing_to_warn_about(plan: EncryptionPlan, runtime: Runtime) -> None:
    assert encrypt(store_of("json"), b"{}", plan, runtime).warnings == ()


def test_a_comment_that_would_stop_its_own_decryption_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(TreeEncryptError, match="UnencryptedCommentRegex"):
        encrypt(store_of("yaml"), b"# c\na: 1\n", plan._replace(selector=Selector("unencrypted_comment_regex", "ENC")), runtime)


def test_a_key_that_is_no_string_is_refused(plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(TreeEncryptError, match="non-string key"):
        encrypt(store_of("yaml"), b"1: x\n", plan, runtime)


def test_newer_compares_numbers_not_text() -> None:
    assert changing.newer("3.9.0", "3.13.2") == "3.13.2"
    assert changing.newer("v3.13.3", "3.13.2") == "v3.13.3"
    assert changing.newer("3.13.2-rc.1", "3.13.2") == "3.13.2-rc.1"


def test_setting_a_value_never_changes_another_that_the_text_cannot_show(plan: EncryptionPlan, runtime: Runtime) -> None:
    # A file as sops writes it may hold an INI value in quotes, which sops' own plain text loses.
    store = store_of("ini")
    done = encrypt(store_of("json"), b'{"part": {"quoted": "\'x\'", "other": "y"}}', plan, runtime, target=store)
    file = load(store, done.data)
    changed = load(store, changing.set_value(file, file.open(runtime), ("part", "other"), Leaf("new"), runtime))
    part = changed.open(runtime).tree[0].find("part")
    assert part is not None and isinstance(part.value, Branch)
    assert [item.value.value for item in part.value.items if isinstance(item, Item) and isinstance(item.value, Leaf)] == ["'x'", "new"]


@pytest.mark.parametrize("text", ["\n\rnull", "\n\r# c\x85\n\r&x "])
def test_a_text_that_would_not_open_again_is_refused_before_it_is_written(text: str, plan: EncryptionPlan, runtime: Runtime) -> None:
    with pytest.raises(TreeEncryptError, match="could not be opened again"):
        encrypt(store_of("yaml"), text.encode(), plan, runtime)


def test_unusual_line_breaks_that_do_no_harm_are_kept(plan: EncryptionPlan, runtime: Runtime) -> None:
    text = 'a: "x\u2028y"\nb: z\x85c: w\n'.encode()
    assert plain(sealed("yaml", plan, runtime, text), runtime) == text


def test_a_change_leaves_the_lines_that_sops_wrote_as_they_are(plan: EncryptionPlan, runtime: Runtime) -> None:
    # sops writes every envelope bare; opened, these values stand in blocks and quotes.
    values = b'{"block": "two\\nlines\\n", "quoted": "1.0", "list": ["x: y", "a\\n"], "deep": {"tab": "\\ta\\nb", "n": 7}, "word": "x"}'
    store = store_of("yaml")
    file = load(store, encrypt(store_of("json"), values, plan, runtime, target=store).data)
    done = changing.set_value(file, file.open(runtime), ("word",), Leaf("new"), runtime)
    before, after = file.data.split(b"\n"), done.split(b"\n")
    assert [line for line in before if line.split(b":")[0].strip() in (b"block", b"quoted", b"- ENC[AES256_GCM,data", b"tab", b"n")] == [
        line for line in after if line.split(b":")[0].strip() in (b"block", b"quoted", b"- ENC[AES256_GCM,data", b"tab", b"n")
    ]
    assert len(before) == len(after)


@pytest.mark.parametrize(
    "text",
    [
        b"e: &a [.nan, 0x10, 1_000, true, 2031-07-09, ~, 'q', \"d\\t\", p]\nc_unencrypted: *a\n",
        b"e: &a {k: !!float 5, l: [x], <<: {m: n}, z: {'<<': o}, ? long : v}\nc_unencrypted: *a\n",
        b"e: &a\n  k: |\n    block\n  'q': >-\n    folded\n    text\nf: *a\nlist:\n- *a\n- x: *a\n",
        b"a: &x !!int '5'\nb: &y !!str 5\nc: [*x, *y]\nd: &z !t 'w'\ne: *z\n",
        b"k: [ 'it''s', \"a\\x41\", pl ain, {a: b, \"c\": 'd, e'}, \"tab\\t\", '# no' ]\n",
        b"k: \"folded\n  over\n\n  lines\"\nl: 'single\n  folded'\nm: plain\n  folded\n",
    ],
)
def test_yaml_comes_back_byte_for_byte(text: bytes, plan: EncryptionPlan, runtime: Runtime) -> None:
    file = sealed("yaml", plan, runtime, text)
    assert plain(file, runtime) == text
    edited = changing.replace_text(file, file.open(runtime), text + b"added: value\n", runtime)
    assert plain(load(file.store, edited), runtime) == text + b"added: value\n"
