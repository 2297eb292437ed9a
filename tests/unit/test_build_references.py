"""What a build would read: every path that kustomization files name is followed, and one that leads out or away is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from secrettool.build.references import check_references
from secrettool.errors import HookError, UnsafePath
from tests.rights import without_rights

K = "app/kustomization.yaml"
CANARY = "canary-71c4"


class Tree:
    """A root with a folder `app`, and beside the root what nobody may read."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "kustomization.yaml").write_text(f"resources: [{CANARY}]\n", encoding="utf-8")
        self.root = folder / "tree"
        (self.root / "app").mkdir(parents=True)

    def write(self, files: Mapping[str, str]) -> Tree:
        for name, text in files.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return self

    def check(self, folder: str = "app") -> list[str]:
        return check_references(str(self.root), folder)

    def refused(self) -> UnsafePath:
        with pytest.raises(UnsafePath) as caught:
            self.check()
        assert caught.value.rule == "HK143"
        assert CANARY not in f"{caught.value}{caught.value.hint}"
        return caught.value


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path.resolve())


# ---- what is followed ----------------------------------------------------------------------------------------------------------------------------


def test_folder_without_a_kustomization_file_names_nothing(tree: Tree) -> None:
    assert tree.check() == []


def test_everything_that_is_there_is_in_order(tree: Tree) -> None:
    names = ("a.yaml", "p.yaml", "s.json", "c.yaml", "conf.yaml", "crd.yaml", "r.yaml", "env", "file", "schema.json")
    tree.write({f"app/{name}": "kind: X\nmetadata: {name: x}\n" for name in names})
    tree.write(
        {
            K: "resources: [a.yaml, ../base]\nbases: [../base]\ncomponents: [../part]\ncrds: [crd.yaml]\nconfigurations: [conf.yaml]\n"
            "patchesStrategicMerge: [p.yaml]\npatches: [{path: p.yaml}]\npatchesJson6902: [{path: s.json}]\nreplacements: [{path: r.yaml}]\n"
            "configMapGenerator: [{name: c, files: [file, key=file], envs: [env]}]\nsecretGenerator: [{name: s, env: env}]\n"
            "openapi: {path: schema.json}\n",
            "base/kustomization.yml": "resources: [x.yaml]\n",
            "base/x.yaml": "",
            "part/Kustomization": "patches: [{patch: '{}'}]\n",
        }
    )
    # `key=file` is no file by itself; which part is meant is kustomize's decision.
    assert tree.check() == []


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ("resources: [gone.yaml, ../gone]", ["resources[0]", "resources[1]"]),
        ("RESOURCES: [gone.yaml]", ["resources[0]"]),
        ("resources: gone.yaml", ["resources[0]"]),
        ("components: [gone]\nbases: [gone]", ["bases[0]", "components[0]"]),
        ("patches: [{path: gone.yaml}, {patch: x}]", ["patches[0].path"]),
        ("patches: [{path: gone.yaml, Path: other.yaml}]", ["patches[0].path"]),
        ("patchesStrategicMerge: [gone.yaml]", ["patchesstrategicmerge[0]"]),
        ("secretGenerator: [{envs: [gone.env], files: [a=gone]}, 7]", ["secretgenerator[0].envs[0]", "secretgenerator[0].files[0]"]),
        ("openapi: {path: gone.json}", ["openapi.path"]),
        ("generators: [gone.yaml]", []),  # kustomize takes it for a text
        ("resources: [7, {a: b}, [x]]", []),
    ],
)
def test_what_does_not_exist_is_named_and_nothing_is_refused(tree: Tree, fields: str, places: list[str]) -> None:
    tree.write({K: fields})
    assert sorted(tree.check()) == sorted(f"{K}: {place}" for place in places)


def test_a_patch_in_the_place_of_a_path_is_no_missing_file(tree: Tree) -> None:
    tree.write({K: 'patchesStrategicMerge: ["kind: X\\nmetadata: {name: x}\\n"]\n'})
    assert tree.check() == []


def test_folders_that_name_each_other_end(tree: Tree) -> None:
    tree.write({K: "resources: [../base, .]\n", "base/kustomization.yaml": "resources: [../app]\ncomponents: [../gone]\n"})
    (tree.root / "loop").symlink_to("app")
    tree.write({"base/kustomization.yml": "resources: [../loop]\n"})
    assert tree.check() == ["base/kustomization.yaml: components[0]"]


def test_all_kustomization_files_and_all_their_documents_are_read(tree: Tree) -> None:
    tree.write({K: "resources: [a]\n---\nresources: [a, b]\n", "app/kustomization.yml": "resources: [c]\n", "app/Kustomization": "bases: [d]\n"})
    places = ["Kustomization: bases[0]", "kustomization.yaml: resources[0]", "kustomization.yaml: resources[1]", "kustomization.yml: resources[0]"]
    assert sorted(tree.check()) == [f"app/{place}" for place in places]


def test_links_inside_are_followed(tree: Tree) -> None:
    tree.write({K: "resources: [link]\n", "base/kustomization.yaml": "resources: [gone.yaml]\n"})
    (tree.root / "app/link").symlink_to("../base")
    assert tree.check() == ["base/kustomization.yaml: resources[0]"]


def test_a_kustomization_folder_is_no_file(tree: Tree) -> None:
    (tree.root / K).mkdir()
    assert tree.check() == []


# ---- what is refused -----------------------------------------------------------------------------------------------------------------------------

FIELDS = [
    "resources: [{}]",
    "Bases: [{}]",
    "components: [{}]",
    "crds: [{}]",
    "configurations: [{}]",
    "patchesStrategicMerge: [{}]",
    "patches: [{{path: {}}}]",
    "patchesJson6902: [{{target: {{kind: X}}, PATH: {}}}]",
    "replacements: [{{path: {}}}]",
    "configMapGenerator: [{{files: [{}]}}]",
    "secretGenerator: [{{envs: [{}]}}]",
    "secretGenerator: [{{env: {}}}]",
    "secretGenerator: [{{files: [key={}]}}]",
    "openapi: {{path: {}}}",
    "generators: [{}]",
    "transformers: [{}]",
    "validators: [{}]",
]


@pytest.mark.parametrize("field", FIELDS)
def test_da_43_a_path_that_leads_out_is_refused_wherever_it_stands(tree: Tree, field: str) -> None:
    (tree.root / "app/link").symlink_to(tree.outside)
    for path in ("../../outside/kustomization.yaml", "/etc/hostname", "../../nowhere", "link/kustomization.yaml"):
        tree.write({K: field.format(path)})
        error = tree.refused()
        assert (error.message, error.file) == ("names a path that leads out of the root", K)
        assert "--root" in str(error.hint)


@pytest.mark.parametrize("field", FIELDS)
def test_da_43_what_is_remote_is_refused_wherever_it_stands(tree: Tree, field: str) -> None:
    tree.write({K: field.format("https://example.org/x.yaml")})
    assert tree.refused().message.startswith("names ")


@pytest.mark.parametrize("text", ["github.com/a/b", "git::ssh://x/y", "git@example.org:a/b", "ssh://example.org/a", "file:///etc", "GITHUB.com:a/b"])
@pytest.mark.parametrize("field", ["resources", "bases", "components"])
def test_da_43_a_remote_repository_is_refused(tree: Tree, field: str, text: str) -> None:
    tree.write({K: f"{field}: ['{text}']\n"})
    assert tree.refused().message == "names a remote repository, which is not fetched"


def test_a_file_that_is_called_like_a_repository_is_a_file(tree: Tree) -> None:
    tree.write({K: "resources: [github.com/a/b.yaml]\n", "app/github.com/a/b.yaml": ""})
    assert tree.check() == []


@pytest.mark.parametrize("place", ["resources: [pipe]", "resources: [link]", "patches: [{path: pipe}]"])
def test_da_43_what_is_no_regular_file_is_refused(tree: Tree, place: str) -> None:
    tree.write({K: place})
    os.mkfifo(tree.root / "app/pipe")
    (tree.root / "app/link").symlink_to("pipe")
    assert tree.refused().message == "names a device, a pipe or a socket"


def test_da_43_a_kustomization_file_that_is_a_link_out_is_refused(tree: Tree) -> None:
    (tree.root / K).symlink_to(tree.outside / "kustomization.yaml")
    assert tree.refused().message == "names a path that leads out of the root"


def test_da_43_a_folder_deep_below_is_checked_too(tree: Tree) -> None:
    tree.write({K: "resources: [../a]\n", "a/kustomization.yaml": "resources: [b]\n", "a/b/Kustomization": "resources: [../../../outside]\n"})
    assert tree.refused().file == "a/b/Kustomization"


def test_da_43_a_link_to_nothing_outside_is_refused(tree: Tree) -> None:
    tree.write({K: "resources: [link]\n"})
    (tree.root / "app/link").symlink_to("../../nowhere")
    assert tree.refused().message == "names a path that leads out of the root"


def test_da_43_a_path_with_a_zero_byte_is_refused(tree: Tree) -> None:
    tree.write({K: 'resources: ["a\\0b"]\n'})
    assert tree.refused().message == "names a path that no file can have"


@pytest.mark.parametrize("length", [300, 5000])
def test_a_path_that_is_too_long_is_not_there(tree: Tree, length: int) -> None:
    tree.write({K: f"resources: [{'x' * length}]\n"})
    assert tree.check() == [f"{K}: resources[0]"]


@pytest.mark.parametrize("text", ["a: [\n", "a: 'canary-71c4\n", "- 1\n", "\tcanary-71c4: 1\n"])
def test_a_kustomization_file_that_cannot_be_read_is_told_without_its_text(tree: Tree, text: str) -> None:
    tree.write({K: text})
    with pytest.raises(HookError) as caught:
        tree.check()
    assert (caught.value.rule, CANARY in str(caught.value)) == ("HK124", False)


# ---- generators, transformers, validators --------------------------------------------------------------------------------------------------------

PLUGIN = "apiVersion: builtin\nkind: {}\nmetadata: {{name: x}}\n{}\n"


@pytest.mark.parametrize(
    "fields",
    [
        "path: ../../outside/kustomization.yaml",
        "paths: [a.yaml, ../../outside/kustomization.yaml]",
        "targetFilePath: /etc/hostname",
        "files: [x=../../outside/kustomization.yaml]",
        "envs: [../../outside/kustomization.yaml]",
        "replacements: [{path: ../../outside/kustomization.yaml}]",
    ],
)
@pytest.mark.parametrize("where", ["file", "folder", "inline"])
def test_da_43_paths_in_configurations_are_checked(tree: Tree, where: str, fields: str) -> None:
    text = PLUGIN.format("PatchTransformer", fields)
    if where == "inline":
        tree.write({K: "transformers:\n- |\n" + "".join(f"  {line}\n" for line in text.splitlines())})
    elif where == "file":
        tree.write({K: "generators: [plugin.yaml]\n", "app/plugin.yaml": text})
    else:  # relative to the folder that lists it
        tree.write({K: "validators: [../plugins]\n", "plugins/kustomization.yaml": "resources: [p.yaml]\n", "plugins/p.yaml": text})
    assert tree.refused().message == "names a path that leads out of the root"


@pytest.mark.parametrize("field", ["path", "targetFilePath"])
def test_da_43_what_is_remote_in_a_configuration_is_refused(tree: Tree, field: str) -> None:
    tree.write({K: "generators: [plugin.yaml]\n", "app/plugin.yaml": PLUGIN.format("X", f"{field}: HTTP://example.org/x")})
    assert tree.refused().message == "names something remote, which is not fetched"


def test_configurations_that_name_what_is_inside_are_in_order(tree: Tree) -> None:
    tree.write(
        {
            K: "transformers: [plugin.yaml, ../plugins]\n",
            "app/plugin.yaml": PLUGIN.format("PatchTransformer", "path: patch.yaml"),
            "app/patch.yaml": "",
            "plugins/kustomization.yaml": "apiVersion: x\nkind: Kustomization\nmetadata: {name: x}\nresources: [p.yaml, deep, ../plugins]\n",
            "plugins/p.yaml": PLUGIN.format("PatchTransformer", 'patch: "a: 1"'),
            "plugins/deep/kustomization.yaml": "resources: [q.yaml, gone.yaml]\n",
            "plugins/deep/q.yaml": PLUGIN.format("PatchTransformer", 'path: "a: 1\\nb: 2\\n"'),
        }
    )
    assert tree.check() == []


@pytest.mark.parametrize("fields", ["namePrefix: x-", "patches: [{path: p.yaml}]", "generators: [p.yaml]", "components: [x]"])
def test_da_43_a_configuration_that_is_the_result_of_a_build_is_refused(tree: Tree, fields: str) -> None:
    tree.write({K: "transformers: [../plugins]\n", "plugins/kustomization.yaml": f"resources: [p.yaml]\n{fields}\n", "plugins/p.yaml": ""})
    error = tree.refused()
    assert "more than resources" in error.message
    assert error.file == "plugins/kustomization.yaml"


@pytest.mark.parametrize("text", ["https://example.org/x", "github.com/a/b", "git@example.org:a/b"])
def test_da_43_a_remote_resource_of_a_configuration_is_refused(tree: Tree, text: str) -> None:
    tree.write({K: "transformers: [../plugins]\n", "plugins/kustomization.yaml": f"resources: ['{text}']\n"})
    assert tree.refused().message == "names something remote, which is not fetched"


@pytest.mark.parametrize("text", ['"a: [\\nb"', '"{a: b"', '"- x\\n  y: ["'])
def test_da_43_what_is_neither_a_path_nor_a_configuration_is_refused(tree: Tree, text: str) -> None:
    tree.write({K: f"generators: [{text}]\n"})
    assert tree.refused().message == "is neither a path nor a configuration that can be checked"


def test_a_configuration_that_cannot_be_read_is_told_without_its_text(tree: Tree) -> None:
    tree.write({K: "generators: [p.yaml]\n", "app/p.yaml": f"a: '{CANARY}\n"})
    with pytest.raises(HookError) as caught:
        tree.check()
    assert (caught.value.rule, CANARY in str(caught.value)) == ("HK124", False)


def test_a_file_that_may_not_be_read_is_told() -> None:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        tree = Tree(Path(folder).resolve()).write({K: "resources: []\n"})
        assert tree.check() == []
        (tree.root / K).chmod(0)
        with without_rights(), pytest.raises(HookError, match="cannot be read: permission denied"):
            tree.check()
