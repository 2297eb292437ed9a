"""The cases of tests/hook-vectors: what the real Flux did with inputs made by the real sops. Fields: tests/hook-vectors/README.md."""

from __future__ import annotations

import json
import os
import shutil
import socket
from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from secrettool.manifests import read

FOLDER = Path(__file__).parent.parent / "hook-vectors"
KEYS = FOLDER / "keys"
CASES = FOLDER / "cases"

NAMESPACE = "team"
CONTROLLER_NAMESPACE = "flux-system"
SECRET = "sops-keys"
GLOBAL_SECRET = "global-keys"  # what the Secret of --sops-age-secret is called where a case does not say

Mode = Literal["objects", "sources", "pass"]
Version = Literal["flux", "newer"]
Expected = dict[str, Any]


class Case(NamedTuple):
    """One case.

    Attributes:
        id: Its name.
        mode: How far the pass goes.
        title: What it is about.
        section: Section of the document that it belongs to.
        departs: Requirements by which secrettool does something else by default.
        varies: Whether Flux itself gives different results from run to run.
        settings: The content of case.yaml.
    """

    id: str
    mode: Mode
    title: str
    section: str
    departs: frozenset[str]
    varies: bool
    settings: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return CASES / self.id

    @property
    def path(self) -> str:
        """`spec.path`."""
        return str(self.settings.get("path", "."))

    @property
    def decryption(self) -> Mapping[str, Any] | None:
        """`spec.decryption`; None without one."""
        return self.settings.get("decryption")

    @property
    def secret(self) -> dict[str, bytes] | None:
        """Entries of the Secret `sops-keys` in the namespace of the Kustomization; None when it does not exist."""
        return entries(self.settings.get("secret"))

    def read_secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """The entries of a Secret of the cluster; None when there is no such Secret."""
        if (namespace, name) == (NAMESPACE, SECRET):
            return self.secret
        if (namespace, name) == (CONTROLLER_NAMESPACE, GLOBAL_SECRET):
            return self.global_secret
        return None

    @property
    def global_secret(self) -> dict[str, bytes] | None:
        """Entries of the Secret of `--sops-age-secret`; None when it does not exist."""
        return entries(self.settings.get("globalSecret"))

    @property
    def global_secret_name(self) -> str | None:
        """Name of the Secret of `--sops-age-secret`; None when the flag is not given."""
        if "globalSecretName" in self.settings:
            return str(self.settings["globalSecretName"])
        return GLOBAL_SECRET if "globalSecret" in self.settings else None

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the controller, without any other variable."""
        return {name: _environ(str(text)) for name, text in self.settings.get("env", {}).items()}

    @property
    def flux(self) -> dict[str, Any]:
        """The Flux Kustomization that the controller worked on."""
        spec: dict[str, Any] = {"path": self.path, "prune": True, "interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "source"}}
        if self.decryption is not None:
            reference = self.decryption.get("secretRef")
            spec["decryption"] = {**self.decryption, "secretRef": {"name": reference}} if reference else dict(self.decryption)
        spec.update(self.settings.get("spec", {}))
        return {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "case", "namespace": NAMESPACE},
            "spec": spec,
        }

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects of a case of mode `objects`, as they come out of a build."""
        return [manifest.obj for manifest in read(self.objects_text, file="objects.yaml", old_booleans=False)]

    @property
    def objects_text(self) -> str:
        """The text of those objects."""
        return (self.folder / "objects.yaml").read_text(encoding="utf-8")

    @property
    def has_newer(self) -> bool:
        """Whether the newer controller printed something else."""
        return (self.folder / "expected-newer.json").exists()

    def expected(self, version: Version = "newer") -> Expected:
        """What a controller printed; the older one's output where the newer printed the same."""
        name = "expected-newer.json" if version == "newer" and self.has_newer else "expected.json"
        return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))

    def results(self, version: Version = "newer") -> list[Expected]:
        """Every result of a pass or a source stage that counts as right."""
        expected = self.expected(version)
        return list(expected.get("anyOf", [expected]))

    def outcomes(self, version: Version = "newer") -> list[list[Expected]]:
        """For each object of a case of mode `objects`, every result that counts as right."""
        return [list(outcome.get("anyOf", [outcome])) for outcome in self.expected(version)["outcomes"]]

    def make_tree(self, folder: Path) -> Path:
        """Lay out the source below a folder, which must be empty, and what lay beside it.

        Returns:
            The root: `folder/kustomization-1`. Make the case in `/tmp` itself only where the test is about `..` above the root.
        """
        root = folder / "kustomization-1"
        _copy(self.folder / "tree", root)
        if (self.folder / "outside").is_dir():
            _copy(self.folder / "outside", folder / "outside")
        for name, recipe in self.settings.get("generate", {}).items():
            _write(root / name, generated(recipe))
        for name, mode in self.settings.get("modes", {}).items():
            (root / name).chmod(int(mode, 8))
        for name, target in self.settings.get("links", {}).items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target.replace("{root}", str(root)))
        for name, kind in self.settings.get("special", {}).items():
            _make_special(root / name, kind)
        return root


def entries(listed: list[Mapping[str, str]] | None) -> dict[str, bytes] | None:
    """The entries of a Secret as case.yaml lists them, decoded."""
    return None if listed is None else {entry["name"]: _entry(entry) for entry in listed}


def key(name: str) -> bytes:
    """The bytes of a file of keys/."""
    return (KEYS / name).read_bytes()


def generated(recipe: Mapping[str, Any]) -> bytes:
    """A big file: a head, repetitions of a filling and a tail, as long as the recipe says."""
    head, fill, tail = (str(recipe.get(name, "")).encode() for name in ("head", "fill", "tail"))
    room = int(recipe["size"]) - len(head) - len(tail)
    return head + (fill * (room // len(fill) + 1))[:room] + tail


def stage(result: Expected) -> str | None:
    """The stage at which a result failed; None when it did not."""
    return result["error"]["stage"] if "error" in result else None


@cache
def all_cases() -> Mapping[str, Case]:
    """Every case, by its name, in the order of the index."""
    index = yaml.load((FOLDER / "index.yaml").read_bytes(), yaml.CSafeLoader)
    return {case.id: case for case in map(_case, index["cases"])}


def of_mode(mode: Mode) -> Iterator[Case]:
    """The cases of one mode, in the order of the index."""
    return (case for case in all_cases().values() if case.mode == mode)


def _case(row: Mapping[str, Any]) -> Case:
    settings = yaml.load((CASES / row["id"] / "case.yaml").read_bytes(), yaml.CSafeLoader)
    return Case(row["id"], row["mode"], row["title"], str(row["section"]), frozenset(row.get("departs", ())), row.get("varies", False), settings)


def _entry(entry: Mapping[str, str]) -> bytes:
    if "file" in entry:
        return key(entry["file"])
    return b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode()


def _environ(text: str) -> str:
    kind, colon, name = text.partition(":")
    if colon and kind == "file":
        return key(name).decode()
    return str(KEYS / name) if colon and kind == "path" else text


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; what the vectors keep read-only may be written in the copy."""
    shutil.copytree(source, target, symlinks=True)
    for folder, _, files in os.walk(target):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _make_special(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            # The path of a socket may have 108 bytes; from its own folder the name is enough.
            descriptor = os.open(path.parent, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{descriptor}/{path.name}")
            os.close(descriptor)
