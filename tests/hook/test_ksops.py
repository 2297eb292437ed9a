"""Generators in the shape of KSOPS: single, multiple, hash, behaviours, file, binary file, envs, override, metadata, as its own tests have them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import FormatError
from secrettool.fs.saferoot import SafeRoot
from secrettool.hook import HookConfig, KeySet
from secrettool.hook.godotenv import pairs
from secrettool.hook.ksops import Files, Generated, generate
from secrettool.library import encrypt
from tests.hook.keys import IDENTITY_A, IDENTITY_B, keys_of, recipient_of

CANARY = "canary-5d0e"
PLAIN = f"username: admin\npassword: {CANARY}\n"
SECRET = f"""\
apiVersion: v1
kind: Secret
metadata:
  name: mysecret
type: Opaque
stringData:
  # a comment
  password: {CANARY}
"""


class Tree:
    """A folder `app` in a repository, and what a generator in it makes."""

    def __init__(self, repository: Path, keys: KeySet) -> None:
        self.repository = repository
        self.folder = repository / "app"
        self.folder.mkdir()
        self._keys = keys

    def seal(self, name: str, plain: str | bytes, store: str = "yaml", *, identity: bytes = IDENTITY_A) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sealed_text = encrypt(plain, store, recipients=[recipient_of(identity)])  # type: ignore[arg-type]
        path.write_bytes(sealed_text if isinstance(sealed_text, bytes) else sealed_text.encode())
        return path

    def generate(self, fields: dict[str, Any], *, kind: str = "ksops", config: HookConfig | None = None) -> Generated:
        api = "viaduct.ai/v1" if kind == "ksops" else "secrettool.dev/v1alpha1"
        obj = {"apiVersion": api, "kind": kind, "metadata": {"name": "generator"}, **fields}
        with SafeRoot(str(self.repository)) as root:
            return generate(obj, Files(root, "app", config or HookConfig(), self._keys), strict=kind != "ksops")

    def objects(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        """What is made, when all goes well."""
        made = self.generate(fields)
        assert made.findings == ()
        return [dict(obj) for obj in made.objects]

    def secret(self, **fields: Any) -> dict[str, Any]:
        """The one Secret of an entry of secretFrom."""
        (secret,) = self.objects({"secretFrom": [{"metadata": {"name": "mysecret"}, **fields}]})
        return secret

    def codes(self, fields: dict[str, Any], *, kind: str = "ksops") -> list[str]:
        """The codes of what went wrong."""
        findings = self.generate(fields, kind=kind).findings
        assert CANARY not in repr(findings)
        return [finding.code for finding in findings if finding.severity == "error"]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    with keys_of(IDENTITY_A) as keys:
        yield Tree(tmp_path, keys)


# ---- shapes --------------------------------------------------------------------------------------------------------------------------------------


def test_single_file_gives_its_object_without_comments_and_section(tree: Tree) -> None:
    tree.seal("secret.enc.yaml", SECRET)
    assert tree.objects({"files": ["./secret.enc.yaml"]}) == [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mysecret"}, "type": "Opaque", "stringData": {"password": CANARY}}
    ]


def test_multiple_files_keep_their_order_and_their_documents(tree: Tree) -> None:
    for letter in "CAB":
        tree.seal(f"secret-{letter}.enc.yaml", SECRET.replace("mysecret", f"mysecret-{letter}"))
    two = SECRET.replace("mysecret", "first") + "---\n" + SECRET.replace("mysecret", "second").replace("Secret\n", "ConfigMap\n")
    tree.seal("two.enc.yaml", two)
    made = tree.objects({"files": ["secret-C.enc.yaml", "two.enc.yaml", "secret-A.enc.yaml", "secret-B.enc.yaml"]})
    assert [obj["metadata"]["name"] for obj in made] == ["mysecret-C", "first", "second", "mysecret-A", "mysecret-B"]
    assert made[2]["kind"] == "ConfigMap"


@pytest.mark.parametrize("annotation", ["kustomize.config.k8s.io/needs-hash: 'true'", "kustomize.config.k8s.io/behavior: replace"])
def test_annotations_for_hash_and_behaviour_are_left_to_kustomize(tree: Tree, annotation: str) -> None:
    tree.seal("secret.enc.yaml", SECRET.replace("name: mysecret\n", f"name: mysecret\n  annotations:\n    {annotation}\n"))
    name, _, value = annotation.partition(": ")
    assert tree.objects({"files": ["secret.enc.yaml"]})[0]["metadata"]["annotations"] == {name: value.strip("'")}
    assert tree.secret(metadata={"name": "x", "annotations": {name: value}}, files=["secret.enc.yaml"])["metadata"]["annotations"] == {name: value}


def test_json_file_gives_its_object(tree: Tree) -> None:
    tree.seal("secret.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "j"}, "stringData": {"a": "b"}}', "json")
    assert tree.objects({"files": ["secret.json"]})[0]["stringData"] == {"a": "b"}


def test_binary_file_gives_the_objects_of_its_text(tree: Tree) -> None:
    tree.seal("secret.enc", SECRET.encode(), "binary")
    assert tree.objects({"files": ["secret.enc"]})[0]["stringData"] == {"password": CANARY}


def test_file_becomes_an_entry_of_string_data_under_its_name(tree: Tree) -> None:
    tree.seal("sub/secret.enc.yaml", PLAIN)
    assert tree.secret(type="Opaque", files=["./sub/secret.enc.yaml"]) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mysecret"},
        "type": "Opaque",
        "stringData": {"secret.enc.yaml": PLAIN},
    }


def test_override_gives_a_file_another_key(tree: Tree) -> None:
    tree.seal("secret.enc.yaml", PLAIN)
    assert tree.secret(files=["secret.yaml=secret.enc.yaml"])["stringData"] == {"secret.yaml": PLAIN}


def test_binary_file_becomes_an_entry_of_data(tree: Tree) -> None:
    tree.seal("key.bin", b"\x00\xff\xfe", "binary")
    secret = tree.secret(binaryFiles=["key.bin", "other=key.bin"])
    assert {key: b64decode(text) for key, text in secret["data"].items()} == {"key.bin": b"\x00\xff\xfe", "other": b"\x00\xff\xfe"}
    assert "stringData" not in secret


def test_envs_become_entries_of_string_data(tree: Tree) -> None:
    tree.seal("secret.enc.env", "USERNAME=admin\nQUOTED=\"two words\"\n# comment\nSINGLE='a $B'\n", "dotenv")
    tree.seal("more.env", f"PASSWORD={CANARY} # rotated\n", "dotenv")
    assert tree.secret(envs=["secret.enc.env", "more.env"])["stringData"] == {
        "USERNAME": "admin",
        "QUOTED": "two words",
        "SINGLE": "a $B",
        "PASSWORD": CANARY,
    }


def test_metadata_has_name_namespace_labels_and_annotations(tree: Tree) -> None:
    tree.seal("secret.enc.env", "A=b\n", "dotenv")
    metadata = {"name": "mysecret", "namespace": "test", "labels": {"foo": "bar", "number": 1, "truth": True}, "annotations": {"abc": "xyz"}}
    made = tree.secret(metadata=metadata, envs=["secret.enc.env"])["metadata"]
    assert made == {**metadata, "labels": {"foo": "bar", "number": "1", "truth": "true"}}


def test_fields_of_a_ksops_are_found_in_any_case_and_unknown_ones_are_told(tree: Tree) -> None:
    tree.seal("secret.enc.yaml", SECRET)
    made = tree.generate({"Files": ["secret.enc.yaml"], "fail-silently": False})
    assert len(made.objects) == 1
    assert [(finding.code, finding.severity, finding.key) for finding in made.findings] == [("HK160", "warning", "fail-silently")]


def test_empty_list_of_files_makes_nothing(tree: Tree) -> None:
    assert tree.objects({"files": []}) == []


# ---- what DA-34 makes different ------------------------------------------------------------------------------------------------------------------


def test_da_34_paths_stay_inside_the_repository(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    tree.seal("secret.enc.yaml", SECRET).rename(outside / "secret.enc.yaml")
    (tree.folder / "link.yaml").symlink_to(outside / "secret.enc.yaml")
    deep = "../" * 20
    for path in (f"{deep}{outside.relative_to('/')}/secret.enc.yaml", str(outside / "secret.enc.yaml"), "link.yaml"):
        assert tree.codes({"files": [path]}) == ["HK121"]


def test_da_34_paths_lead_anywhere_inside_the_repository(tree: Tree) -> None:
    tree.seal("secret.enc.yaml", SECRET).rename(tree.repository / "shared.enc.yaml")
    (tree.folder / "link.yaml").symlink_to("../shared.enc.yaml")
    made = tree.objects({"files": ["../shared.enc.yaml", "link.yaml", str(tree.repository / "shared.enc.yaml")]})
    assert len(made) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"files": ["key=a.env", "key=b.env"]},
        {"files": ["a.env"], "binaryFiles": ["a.env"]},
        {"files": ["A=a.env"], "envs": ["a.env"]},
        {"envs": ["a.env", "b.env"]},
        {"envs": ["twice.env"]},
    ],
)
def test_da_34_a_key_that_is_produced_twice_is_an_error(tree: Tree, fields: dict[str, Any]) -> None:
    tree.seal("a.env", f"A={CANARY}\n", "dotenv")
    tree.seal("b.env", f"A={CANARY}2\n", "dotenv")
    tree.seal("twice.env", f"A=1\nA={CANARY}\n", "binary").rename(tree.folder / "twice")
    fields = {name: [path.replace("twice.env", "twice") for path in paths] for name, paths in fields.items()}
    secret = {"metadata": {"name": "x"}, **fields}
    assert tree.codes({"secretFrom": [secret]}) == ["HK161"]
    assert tree.codes({"secretFrom": [secret], "duplicates": "error"}) == ["HK161"]
    assert tree.codes({"secretFrom": [secret], "duplicates": "last"}) == []


def test_da_34_with_last_pairs_win_over_files_as_in_ksops(tree: Tree) -> None:
    tree.seal("a.env", "A=first\n", "dotenv")
    tree.seal("b.env", "A=second\n", "dotenv")
    secret = {"metadata": {"name": "x"}, "files": ["A=a.env"], "envs": ["a.env", "b.env"]}
    assert tree.objects({"secretFrom": [secret], "duplicates": "last"})[0]["stringData"] == {"A": "second"}


def test_da_34_same_key_in_two_secrets_is_no_duplicate(tree: Tree) -> None:
    tree.seal("a.env", "A=b\n", "dotenv")
    assert tree.codes({"secretFrom": [{"metadata": {"name": name}, "envs": ["a.env"]} for name in "xy"]}) == []


def test_da_34_key_and_path_split_at_the_first_equals_sign(tree: Tree) -> None:
    tree.seal("a=b.enc.yaml", PLAIN)
    assert tree.secret(files=["key=a=b.enc.yaml"])["stringData"] == {"key": PLAIN}


# ---- what goes wrong -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"files": None, "secretFrom": None},
        {"files": "secret.enc.yaml"},
        {"files": [{}]},
        {"files": [""]},
        {"secretFrom": {}},
        {"secretFrom": ["x"]},
        {"secretFrom": [{"files": ["x"]}]},
        {"secretFrom": [{"metadata": {"name": "x"}, "files": ["=x"]}]},
        {"secretFrom": [{"metadata": {"name": "x"}, "files": ["x="]}]},
        {"secretFrom": [{"metadata": {"name": "x", "labels": ["x"]}}]},
        {"secretFrom": [{"metadata": {"name": "x", "labels": {"x": []}}}]},
        {"files": [], "duplicates": "first"},
    ],
)
@pytest.mark.parametrize("kind", ["ksops", "SecretGenerator"])
def test_configuration_that_makes_no_sense_is_refused(tree: Tree, fields: dict[str, Any], kind: str) -> None:
    assert tree.codes(fields, kind=kind) == ["HK160"]


@pytest.mark.parametrize("fields", [{"file": ["x"]}, {"Files": ["x"]}, {"secretFrom": [{"metadata": {"name": "x"}, "literals": ["a=b"]}]}])
def test_secret_generator_knows_no_other_fields(tree: Tree, fields: dict[str, Any]) -> None:
    assert tree.codes({"files": [], **fields}, kind="SecretGenerator") == ["HK160"]


def test_every_file_that_fails_is_named(tree: Tree) -> None:
    (tree.folder / "plain.yaml").write_text(SECRET)
    tree.seal("foreign.yaml", SECRET, identity=IDENTITY_B)
    changed = tree.seal("changed.yaml", SECRET)
    changed.write_text(changed.read_text().replace("sops:", "added: text\nsops:"))
    tree.seal("no-manifest.yaml", PLAIN)
    tree.seal("no-text.bin", b"\xff\xfe", "binary")
    (tree.folder / "big.yaml").write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    names = ["missing.yaml", "plain.yaml", "foreign.yaml", "changed.yaml", "no-manifest.yaml", "no-text.bin", "big.yaml"]
    made = tree.generate({"files": names})
    assert [(finding.code, finding.file) for finding in made.findings] == [
        ("HK121", "app/missing.yaml"),
        ("HK110", "app/plain.yaml"),
        ("HK111", "app/foreign.yaml"),
        ("HK113", "app/changed.yaml"),
        ("HK145", "app/no-manifest.yaml"),
        ("HK163", "app/no-text.bin"),
        ("HK120", "app/big.yaml"),
    ]
    assert CANARY not in repr(made)


def test_mac_is_checked_unless_told_not_to(tree: Tree) -> None:
    path = tree.seal("a.env", "A=b\nC=d\n", "dotenv")
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("C=")))
    fields = {"secretFrom": [{"metadata": {"name": "x"}, "envs": ["a.env"]}]}
    assert tree.codes(fields) == ["HK114"]
    made = tree.generate(fields, config=HookConfig(mac="skip"))
    assert [obj["stringData"] for obj in made.objects] == [{"A": "b"}]


@pytest.mark.parametrize("text", [CANARY, f"A='{CANARY}\n", f'A="{CANARY}\n', f"A B-{CANARY}: x"])
def test_dotenv_text_that_is_broken_is_refused_without_a_word_of_it(tree: Tree, text: str) -> None:
    tree.seal("a", text, "binary")
    assert tree.codes({"secretFrom": [{"metadata": {"name": "x"}, "envs": ["a"]}]}) == ["HK163"]


def test_text_that_is_no_manifest_is_refused_without_a_word_of_it(tree: Tree) -> None:
    tree.seal("a", f"{CANARY}: [\n{CANARY}", "binary")
    assert tree.codes({"files": ["a"]}) == ["HK163"]


def test_at_most_50_failures_are_told(tree: Tree) -> None:
    assert len(tree.codes({"files": [f"{number}.yaml" for number in range(80)]})) == 50


def test_nothing_prints_what_was_opened(tree: Tree) -> None:
    tree.seal("secret.enc.yaml", SECRET)
    made = tree.generate({"files": ["secret.enc.yaml"]})
    assert CANARY not in repr(made)
    assert CANARY not in repr(list(pairs(f"A={CANARY}")))


# ---- dotenv files as godotenv reads them ---------------------------------------------------------------------------------------------------------

DOTENV = [  # made with godotenv 1.5.1
    ("A=1\nB: 2\r\nexport C = 3\n", {"A": "1", "B": "2", "C": "3"}),
    ("A= x # no\nB=x#yes\nC=a # b # c\nD=#e\nE= #", {"A": "x", "B": "x#yes", "C": "a # b", "D": "#e", "E": "#"}),
    ('A=\'x\\n$B\'\nB="x\\n\\ty\\"z\\$A"', {"A": "x\\n$B", "B": 'x\nty"z$A'}),
    ('A=1\nB=$A-${A}-$C-\\$A\nC="$A"', {"A": "1", "B": "1-1--$A", "C": "1"}),
    ("A=\"one\ntwo\" # c\nB=''\nC=", {"A": "one\ntwo", "B": "", "C": ""}),
    ('A="""x"\nB=1', None),
    ("A=1\nA=2", {"A": "2"}),
    ("a.b=1\né=2", None),
    ("A-B=1", None),
    ("A='x", None),
]


@pytest.mark.parametrize(("text", "expected"), DOTENV)
def test_dotenv_text_reads_as_godotenv_reads_it(text: str, expected: dict[str, str] | None) -> None:
    if expected is None:
        with pytest.raises(FormatError):
            list(pairs(text))
    else:
        assert {pair.key: pair.value for pair in pairs(text)} == expected


def test_dotenv_lines_are_counted() -> None:
    assert [pair.line for pair in pairs('# c\n\nA=1\nB="x\ny"\n  C=2')] == [3, 4, 6]
