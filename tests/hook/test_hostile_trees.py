"""Trees and archives made to harm: each is refused with its code, nothing is read from outside, no value is shown, nothing is written."""

from __future__ import annotations

import gzip
import io
import os
import re
import socket
import sys
import tarfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from secrettool.errors import HookError
from secrettool.fs.archive import unpack
from secrettool.fs.saferoot import SafeRoot
from secrettool.fs.workspace import open_workspace
from secrettool.hook.model import MAX_BYTES, HookConfig, SourceReport
from secrettool.hook.sources import open_sources
from tests.hook.keys import IDENTITY_A, keys_of, sealed

CANARY = "canary-4711-of-a-secret"
CONFIGS = [
    pytest.param(HookConfig(), id="default"),
    pytest.param(HookConfig(sources="extended"), id="extended"),
    pytest.param(HookConfig(parity="flux", mac="skip"), id="flux"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source with a folder `app`; beside it a file that nobody may read."""
    (tmp_path / "tree/app").mkdir(parents=True)
    (tmp_path / "outside.env").write_text(sealed(f"OUTSIDE={CANARY}\n", "dotenv"))
    (tmp_path / "kustomization.yaml").write_text("secretGenerator: [{envs: [outside.env]}]")
    return tmp_path / "tree"


def names(root: Path, *files: str) -> None:
    """A kustomization file whose generator names files."""
    listed = "".join(f"  - {file!r}\n" for file in files)
    (root / "app/kustomization.yaml").write_text(f"secretGenerator:\n- name: x\n  files:\n{listed}")


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def opened(root: Path, config: HookConfig = HookConfig()) -> SourceReport:  # noqa: B008 -- frozen
    """Run the stage; whatever the tree holds, it is not changed and no error says what is in it."""
    before = snapshot(root.parent)
    with SafeRoot(str(root)) as tree, keys_of(IDENTITY_A) as keys:
        report = open_sources(tree, "app", config, keys)
    assert snapshot(root.parent) == before
    for error in report.errors:
        said = "\n".join((str(error), repr(error), str(error.hint), *traceback.format_exception(error)))
        assert CANARY not in said
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", str(error) + str(error.hint))
    return report


def refused(root: Path, config: HookConfig = HookConfig()) -> list[tuple[str, str | None]]:  # noqa: B008 -- frozen
    """The codes and files of a source of which nothing is opened."""
    report = opened(root, config)
    assert not report.opened
    return [(error.rule, error.file) for error in report.errors]


# --- links ---


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("target", ["../../outside.env", "../../../../../../{parent}/outside.env", "{parent}/outside.env", "../..//./outside.env"])
def test_da_20_a_link_to_a_file_outside_is_refused(root: Path, config: HookConfig, target: str) -> None:
    (root / "app/e.env").symlink_to(target.replace("{parent}", str(root.parent)))
    names(root, "e.env")
    ((rule, file),) = refused(root, config)
    assert rule == "HK121"
    assert file is not None
    assert file.endswith("outside.env")


@pytest.mark.parametrize("reference", ["../../outside.env", "../../../outside.env", "../" * 40 + "outside.env", "/outside.env"])
def test_da_20_a_reference_to_a_file_outside_is_refused(root: Path, reference: str) -> None:
    names(root, reference)
    assert [rule for rule, _ in refused(root)] == ["HK121"]


def test_da_20_the_real_path_of_a_file_outside_is_refused(root: Path) -> None:
    names(root, str(root.parent / "outside.env"))
    assert [rule for rule, _ in refused(root)] == ["HK121"]


@pytest.mark.parametrize("target", ["../..", "/", "../../../../.."])
def test_da_20_a_folder_behind_a_link_that_leads_out_is_the_root(root: Path, target: str) -> None:
    """As in a chroot: what is found there is the root again, which has no kustomization file."""
    (root / "app/up").symlink_to(target)
    (root / "app/kustomization.yaml").write_text("resources: [up]")
    assert refused(root) == [("HK122", ".")]


def test_da_20_a_kustomization_file_that_is_a_link_out_is_not_there(root: Path) -> None:
    (root / "app/kustomization.yaml").symlink_to("../../kustomization.yaml")
    assert refused(root) == [("HK122", "app")]


def test_da_20_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "app/a").symlink_to("b")
    (root / "app/b").symlink_to("a")
    names(root, "a", "b/x")
    assert refused(root) == [("HK121", "app/a"), ("HK121", "app/b/x")]


def test_folders_that_name_each_other_end(root: Path) -> None:
    (root / "app/self").symlink_to(".")
    (root / "app/kustomization.yaml").write_text("resources: [self, ./self/self, ../app, .]\ncomponents: [self]\n")
    assert refused(root) == []


def test_a_long_chain_of_folders_is_walked(root: Path) -> None:
    """Deeper than Python's own stack."""
    for number in range(1500):
        (root / f"d{number}").mkdir()
        (root / f"d{number}/kustomization.yaml").write_text(f"resources: [../d{number + 1}]")
    (root / "app/kustomization.yaml").write_text("resources: [../d0]")
    assert refused(root) == []


# --- what is no file ---


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have about a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # zeros without end
    except PermissionError:
        pytest.skip("only the superuser may make devices")


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("make", [pipe, unix_socket, device, Path.mkdir])
def test_da_20_what_is_no_regular_file_is_refused(root: Path, config: HookConfig, make: Callable[[Path], None]) -> None:
    make(root / "app/x.env")
    names(root, "x.env")
    assert refused(root, config) == [("HK121", "app/x.env")]


@pytest.mark.parametrize("make", [pipe, unix_socket, device, Path.mkdir])
def test_a_kustomization_file_that_is_no_regular_file_is_refused(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "app/Kustomization")
    assert refused(root) == [("HK121", "app/Kustomization")]


@pytest.mark.parametrize("make", [pipe, unix_socket, device])
def test_resources_that_are_no_regular_file_are_not_read(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "app/r.yaml")
    (root / "app/kustomization.yaml").write_text("resources: [r.yaml]")
    assert refused(root) == []


# --- size ---


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("head", [b"", b"sops_mac=ENC["])
def test_da_12_one_byte_over_five_mebibytes_is_refused(root: Path, config: HookConfig, head: bytes) -> None:
    (root / "app/big.env").write_bytes(head.ljust(MAX_BYTES + 1, b"x"))
    names(root, "big.env")
    assert refused(root, config) == [("HK120", "app/big.env")]


def test_da_12_a_file_of_holes_is_refused_before_it_is_read(root: Path) -> None:
    with open(root / "app/holes.env", "wb") as file:
        file.truncate(1 << 40)
    names(root, "holes.env")
    assert refused(root) == [("HK120", "app/holes.env")]


# --- kustomization files ---


def test_aliases_that_multiply_are_refused(root: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 8)}]" for number in range(1, 12)]
    (root / "app/kustomization.yaml").write_text("\n".join((*lines, "resources: *a11")))
    assert refused(root) == [("HK124", "app/kustomization.yaml")]


@pytest.mark.parametrize("text", ["resources: " + "[" * 50_000, "{" * 50_000, "- " * 50_000, "? " * 50_000], ids=["list", "{", "-", "?"])
def test_nesting_without_end_is_refused(root: Path, text: str) -> None:
    (root / "app/kustomization.yaml").write_text(text)
    assert refused(root) == [("HK124", "app/kustomization.yaml")]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\x00", b"resources: [\xff]", b"a: \x1b[31m", b"%YAML 9.9\n---\n", b"{a", b"&a *b"])
def test_a_kustomization_file_that_is_no_yaml_is_refused_without_a_quote(root: Path, data: bytes) -> None:
    (root / "app/kustomization.yaml").write_bytes(data + b"\n" + CANARY.encode() + b": [\n")
    assert refused(root) == [("HK124", "app/kustomization.yaml")]


# --- names ---


@pytest.mark.parametrize(
    ("written", "file"),
    [
        (r"a\x00b.env", r"app/a\x00b.env"),
        (r"\e[31mred.env", r"app/\x1b[31mred.env"),
        (r"line\nbreak.env", r"app/line\x0abreak.env"),
        (r"right\u202eleft.env", r"app/right\u202eleft.env"),
        (r"{long}.env", None),
        ("d/{long}", None),
    ],
)
def test_names_with_unusual_bytes_are_refused_and_shown_escaped(root: Path, written: str, file: str | None) -> None:
    written = written.replace("{long}", "n" * 5000)
    (root / "app/kustomization.yaml").write_text(f'secretGenerator: [{{files: ["{written}"]}}]')
    ((rule, found),) = refused(root)
    assert rule == "HK121"
    assert found is not None
    assert file in (None, found)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_a_file_whose_name_is_no_text_cannot_be_named(root: Path) -> None:
    with open(os.path.join(os.fsencode(root), b"app/caf\xe9.env"), "w") as file:
        file.write(sealed(f"A={CANARY}\n", "dotenv"))
    names(root, "café.env")
    assert refused(root) == [("HK121", "app/café.env")]


# --- documents that lie ---

SEALED = {store: sealed(text, store) for store, text in (
    ("yaml", f"value: {CANARY}\n"), ("json", f'{{"value": "{CANARY}"}}\n'), ("dotenv", f"VALUE={CANARY}\n"), ("ini", f"[a]\nvalue = {CANARY}\n"),
)}  # fmt: skip
MARKERS = {"yaml": "# mac: ENC[\n", "json": '"mac": "ENC[\n', "dotenv": "sops_mac=ENC[\n", "ini": "[sops]\n"}
SUFFIXES = {"yaml": "x.yaml", "json": "x.json", "dotenv": "x.env", "ini": "x.ini"}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("claimed", "real"), [(claimed, real) for claimed in MARKERS for real in SEALED if claimed != real])
def test_a_document_in_another_format_than_its_marker_says_is_refused(root: Path, config: HookConfig, claimed: str, real: str) -> None:
    (root / "app" / SUFFIXES[claimed]).write_text(MARKERS[claimed] + SEALED[real])
    names(root, SUFFIXES[claimed])
    report = opened(root, config)
    if (claimed, real) == ("yaml", "json"):
        # JSON is YAML, and the marker was a comment: the document is what it claims to be.
        assert CANARY.encode() in report.opened["app/x.yaml"]
    else:
        assert [(error.rule, error.file) for error in report.errors] == [("HK110", f"app/{SUFFIXES[claimed]}")]
        assert not report.opened


@pytest.mark.parametrize("store", MARKERS)
def test_plain_text_with_a_marker_is_refused_without_a_quote(root: Path, store: str) -> None:
    (root / "app" / SUFFIXES[store]).write_text(f"{MARKERS[store]}{CANARY}\n= {CANARY}\n{CANARY}: [\n")
    names(root, SUFFIXES[store])
    assert refused(root) == [("HK110", f"app/{SUFFIXES[store]}")]


@pytest.mark.parametrize("store", SEALED)
@pytest.mark.parametrize("kind", ["int", "float", "bool", "time", "comment", "bytes", "none", ""])
@pytest.mark.parametrize("config", CONFIGS)
def test_a_value_that_lies_about_its_type_is_not_shown(root: Path, config: HookConfig, store: str, kind: str) -> None:
    """Flux quotes the decrypted value here."""
    text = SEALED[store]
    place = text.index("type:str]")
    (root / "app" / SUFFIXES[store]).write_text(f"{text[:place]}type:{kind}]{text[place + len('type:str]') :]}")
    names(root, SUFFIXES[store])
    report = opened(root, config)
    if not report.errors:  # every text is one of these, and the MAC does not know bytes from text
        assert kind in ("bytes", "comment")
        assert kind == "bytes" or config.mac == "skip"
        assert CANARY not in repr(report)
    else:
        assert [error.rule for error in report.errors] in (["HK112"], ["HK113"], ["HK114"], ["HK115"])


@pytest.mark.parametrize("store", SEALED)
def test_a_document_cut_anywhere_is_refused_or_left(root: Path, store: str) -> None:
    text = SEALED[store]
    names(root, SUFFIXES[store])
    mac = re.search(r"\bmac\W+ENC\[|sops_mac", text)  # what follows it may be missing where a line is enough for a format
    assert mac is not None
    for cut in range(0, mac.end(), 41):
        (root / "app" / SUFFIXES[store]).write_text(text[:cut])
        report = opened(root)
        assert not report.opened
        assert {error.rule for error in report.errors} <= {"HK110", "HK111", "HK114"}


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("lastmodified: never", "HK110"),
        ("lastmodified: '2020-01-01T00:00:00Z'", "HK114"),
        ("age: 5", "HK110"),
        ("age: [{recipient: x, enc: y}]", "HK111"),
        ("shamir_threshold: many", "HK110"),
        ("mac: ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]", "HK114"),
        ("unencrypted_regex: .*", "HK110"),
        ("encrypted_regex: (", "HK110"),
    ],
)
def test_a_section_that_cannot_be_used_is_refused(root: Path, field: str, rule: str) -> None:
    name = field.partition(":")[0]
    text = re.sub(rf"(?m)^    {name}:.*\n(?:^     .*\n)*", "", SEALED["yaml"]).replace("\nsops:\n", f"\nsops:\n    {field}\n")
    (root / "app/x.yaml").write_text(text)
    names(root, "x.yaml")
    assert refused(root) == [(rule, "app/x.yaml")]


def test_a_manifest_that_lies_is_refused_without_a_quote(root: Path) -> None:
    text = sealed(f"kind: Secret\nstringData:\n  a: {CANARY}\n  b: other\n")
    (root / "app/s.yaml").write_text(text.replace("type:str]", "type:int]", 3))
    (root / "app/kustomization.yaml").write_text("resources: [s.yaml]")
    assert refused(root) == [("HK112", "app/s.yaml")]


# --- archives ---


def archive(name: str, kind: bytes, *, target: str = "", data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as writer:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, target, len(data)
        writer.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (archive("../outside.env", tarfile.REGTYPE, data=b"x"), "HK121"),
        (archive("/tmp/outside.env", tarfile.REGTYPE, data=b"x"), "HK121"),
        (archive("app/kustomization.yaml", tarfile.SYMTYPE, target="../../outside.env"), "HK121"),
        (archive("app/x", tarfile.CHRTYPE), "HK121"),
        (gzip.compress(tarfile.TarInfo("d/").tobuf() * 20_001, 1), "HK120"),
    ],
    ids=["parent", "absolute", "link", "device", "entries"],
)
def test_da_21_an_artifact_that_does_harm_is_refused(root: Path, data: bytes, rule: str) -> None:
    before = {path: value[:2] for path, value in snapshot(root.parent).items() if not path.startswith(str(root))}
    with pytest.raises(HookError) as caught:
        unpack(data, str(root))
    assert caught.value.rule == rule
    assert {path: value[:2] for path, value in snapshot(root.parent).items() if not path.startswith(str(root))} == before


def test_da_21_an_artifact_of_zeros_is_refused_without_unpacking_it(root: Path) -> None:
    """About a megabyte that would become a gigabyte."""
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 30
    packer = io.BytesIO()
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(HookError) as caught:
        unpack(packer.getvalue(), str(root))
    assert (caught.value.rule, caught.value.file) == ("HK120", "zeros")
    assert not (root / "zeros").exists()


def test_da_14_a_copy_holds_nothing_from_outside(root: Path) -> None:
    (root / "app/link.env").symlink_to("../../outside.env")
    (root / "app/up").symlink_to("../..")
    os.mkfifo(root / "app/pipe")
    with SafeRoot(str(root)) as tree, open_workspace(tree, allow_disk=True) as workspace:
        found = [entry.path for entry in workspace.root.entries("app")]
    assert found == []
