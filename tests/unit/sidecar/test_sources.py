"""Folders and stdin as sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secrettool.errors import InputError
from secrettool.sidecar import digest
from secrettool.sidecar.digest import folder_digest
from secrettool.sidecar.origin import SourceUnavailable
from secrettool.sidecar.source_dir import DirOrigin
from secrettool.sidecar.source_stdin import LIMIT, StdinOrigin


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.yaml").write_text("a: 1\n", encoding="utf-8")
    (folder / "inner" / "b.yaml").write_text("b: 1\n", encoding="utf-8")
    return folder


def test_digest_is_the_same_for_the_same_and_another_for_every_change(tree: Path) -> None:
    seen = [folder_digest(str(tree))]
    assert folder_digest(str(tree)) == seen[0]
    (tree / ".git").mkdir()
    (tree / ".git" / "index").write_text("x", encoding="utf-8")
    assert folder_digest(str(tree)) == seen[0]
    for change in (
        lambda: (tree / "a.yaml").write_text("a: 22\n", encoding="utf-8"),
        lambda: os.utime(tree / "a.yaml", ns=(1, 1)),
        lambda: (tree / "inner" / "b.yaml").rename(tree / "inner" / "c.yaml"),
        lambda: (tree / "link").symlink_to("a.yaml"),
        lambda: (tree / "link").rename(tree / "other-link"),
        (tree / "a.yaml").unlink,
    ):
        change()
        seen.append(folder_digest(str(tree)))
    assert len(set(seen)) == len(seen)


def test_digest_has_a_limit(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MAX_ENTRIES", 1)
    with pytest.raises(InputError, match="more than 1 entries"):
        folder_digest(str(tree))


def test_link_is_resolved_once_for_a_pass(tree: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(tree)
    other.mkdir()
    origin = DirOrigin(str(link))
    before = origin.look()
    with origin.checkout() as checkout:
        assert (checkout.root, checkout.revision, checkout.mark) == (str(tree), "tree", before)
        (tmp_path / "new").symlink_to(other)
        os.replace(tmp_path / "new", link)
        assert origin.look() != checkout.mark
    with origin.checkout() as checkout:
        assert checkout.revision == "other"


def test_volume_of_the_kubelet_is_read_through_its_own_link(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..2026_1").mkdir(parents=True)
    (volume / "..data").symlink_to("..2026_1")
    with DirOrigin(str(volume)).checkout() as checkout:
        assert checkout.root == str(volume / "..2026_1")


def test_folder_without_a_link_is_named_by_its_digest(tree: Path) -> None:
    with DirOrigin(str(tree)).checkout() as checkout:
        assert checkout.revision == f"files:{folder_digest(str(tree))[:12]}"


def test_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="there is no such folder"):
        DirOrigin(str(tmp_path / "nowhere")).look()


def test_stdin_is_read_once_and_kept_in_memory() -> None:
    texts = ["a: 1\n"]
    origin = StdinOrigin(lambda limit: texts.pop().encode())
    with origin.checkout() as first:
        pass
    with origin.checkout() as second:
        assert first == second
        (file,) = Path(second.root).iterdir()
        assert file.read_text(encoding="utf-8") == "a: 1\n"
    origin.close()
    assert not file.exists()


def test_stdin_has_a_limit() -> None:
    with pytest.raises(SourceUnavailable, match="more than"), StdinOrigin(lambda limit: bytes(LIMIT + 1)).checkout():
        pass
