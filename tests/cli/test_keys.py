"""`keys create-secret` and `keys rotate-recipient`."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest
import yaml

from tests.cli.sandbox import AGE1, AGE2, AGE3, KEYS, Sandbox

IDENTITY = (KEYS / "age1.txt").read_text()
SECRET_LINE = IDENTITY.splitlines()[-1]
TEXT = "# head\na: one   # aside\nb: 2\n"
CONFIG = f"# who may read\ncreation_rules:\n  - age: {AGE1},{AGE2}   # two\n"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


# ---- create-secret -------------------------------------------------------------------------------------------------------------------------------


def test_secret_holds_the_identity_without_comments(box: Sandbox) -> None:
    done = box.call("keys", "create-secret", stdin=IDENTITY)
    assert (done.returncode, done.stderr) == (0, "")
    made = yaml.safe_load(done.stdout)
    assert (made["apiVersion"], made["kind"], made["metadata"]) == ("v1", "Secret", {"name": "sops-age", "namespace": "flux-system"})
    assert b64decode(made["data"]["age.agekey"]).decode() == SECRET_LINE + "\n"


def test_secret_is_named_and_labelled_as_asked(box: Sandbox) -> None:
    words = ("--name", "k", "--namespace", "team", "--entry", "b.agekey", "--watch")
    made = yaml.safe_load(box.call("keys", "create-secret", *words, stdin=IDENTITY).stdout)
    assert made["metadata"] == {"name": "k", "namespace": "team", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    assert list(made["data"]) == ["b.agekey"]


def test_line_ends_and_blanks_around_identities_are_removed(box: Sandbox) -> None:
    made = yaml.safe_load(box.call("keys", "create-secret", stdin=f"\r\n  {SECRET_LINE} \r\n").stdout)
    assert b64decode(made["data"]["age.agekey"]).decode() == SECRET_LINE + "\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "there is no age identity"),
        ("# only a comment\n", "there is no age identity"),
        (AGE1 + "\n", "line 1: unknown identity type: this is a public key"),
        (f"{SECRET_LINE}\nsomething\n", "line 2: unknown identity type"),
        (SECRET_LINE[:-1] + "\n", "line 1: "),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "line 1: unknown identity type"),
        ("é\n", "not ASCII"),
    ],
)
def test_what_flux_does_not_take_is_refused_without_being_quoted(box: Sandbox, text: str, cause: str) -> None:
    done = box.call("keys", "create-secret", stdin=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert cause in done.stderr
    assert SECRET_LINE[-20:] not in done.stderr
    assert "something" not in done.stderr


@pytest.mark.parametrize("words", [("--entry", "age.key"), ("--name", "UPPER"), ("--namespace", "a b"), ("--entry", "a/b.agekey")])
def test_names_that_cannot_work_are_refused(box: Sandbox, words: tuple[str, str]) -> None:
    done = box.call("keys", "create-secret", *words, stdin=IDENTITY)
    assert (done.returncode, done.stdout) == (1, "")


# ---- rotate-recipient ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(box: Sandbox) -> Sandbox:
    """Two encrypted files for AGE1 and AGE2, one for AGE3 alone, a config file, and a text that mentions AGE1."""
    (box.folder / "sub").mkdir()
    box.encrypted("sub/other.yaml", TEXT, "--age", AGE3)
    (box.folder / ".sops.yaml").write_text(CONFIG)
    for name in ("f.yaml", "sub/g.env"):
        box.encrypted(name, TEXT if name.endswith("yaml") else "A=1\n", "--age", f"{AGE1},{AGE2}")
    (box.folder / "README.md").write_text(f"alice is {AGE1}\n")
    return box


def test_every_file_and_the_config_get_the_new_recipient(repository: Sandbox) -> None:
    before = {name: (repository.folder / name).read_text() for name in ("f.yaml", "sub/g.env", "sub/other.yaml", "README.md")}
    done = repository.call("keys", "rotate-recipient", AGE1, AGE3, ".")
    assert (done.returncode, done.stdout) == (0, "")
    assert (repository.folder / ".sops.yaml").read_text() == CONFIG.replace(AGE1, AGE3)
    for name in ("f.yaml", "sub/g.env"):
        text = (repository.folder / name).read_text()
        assert AGE1 not in text
        assert (AGE2 in text, AGE3 in text) == (True, True)
        assert repository.call("decrypt", name, env={"SOPS_AGE_KEY_FILE": str(KEYS / "age3.txt")}).returncode == 0
        assert repository.call("decrypt", name).returncode == 128
        assert [line for line in before[name].splitlines() if "ENC[" in line] == [line for line in text.splitlines() if "ENC[" in line]
    for name in ("sub/other.yaml", "README.md"):
        assert (repository.folder / name).read_text() == before[name]


def test_dry_run_writes_nothing_and_reports_every_file(repository: Sandbox) -> None:
    before = {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    done = repository.call("keys", "rotate-recipient", "--dry-run", "--report", "json", AGE1, AGE3, ".")
    rows = {row["path"]: row["status"] for row in json.loads(done.stdout)["files"]}
    assert rows == {
        ".sops.yaml": "would be changed",
        "README.md": "skipped",
        "f.yaml": "would be changed",
        "sub/g.env": "would be changed",
    }
    assert {path: path.read_bytes() for path in before} == before


def test_new_data_key_changes_every_envelope(repository: Sandbox) -> None:
    path = repository.folder / "f.yaml"
    before = path.read_text()
    assert repository.call("keys", "rotate-recipient", "--new-data-key", AGE1, AGE3, "f.yaml").returncode == 0
    values = [line for line in path.read_text().splitlines() if "ENC[" in line]
    assert not set(values) & set(before.splitlines())
    assert repository.plain("f.yaml", "age3") == TEXT


def test_recipient_that_is_there_already_stands_once(repository: Sandbox) -> None:
    assert repository.call("keys", "rotate-recipient", AGE1, AGE2, "f.yaml").returncode == 0
    assert (repository.folder / "f.yaml").read_text().count("recipient:") == 1


def test_second_run_changes_nothing(repository: Sandbox) -> None:
    repository.call("keys", "rotate-recipient", AGE1, AGE3, ".")
    before = (repository.folder / "f.yaml").read_bytes()
    assert repository.call("keys", "rotate-recipient", AGE1, AGE3, ".").returncode == 0
    assert (repository.folder / "f.yaml").read_bytes() == before


def test_file_that_cannot_be_opened_is_named_and_others_go_on(repository: Sandbox) -> None:
    repository.encrypted("h.yaml", TEXT, "--age", AGE2)
    done = repository.call("keys", "rotate-recipient", AGE2, AGE3, "h.yaml", "f.yaml")
    assert done.returncode == 128
    assert "h.yaml" in done.stderr
    assert AGE2 not in (repository.folder / "f.yaml").read_text()


@pytest.mark.parametrize(("old", "new"), [("nonsense", AGE1), (AGE1, "nonsense"), (AGE1, f"{AGE2},{AGE3}")])
def test_what_is_no_key_is_refused(box: Sandbox, old: str, new: str) -> None:
    done = box.call("keys", "rotate-recipient", old, new, ".")
    assert done.returncode == 1
    assert "is not one key" in done.stderr


def test_recipient_that_nothing_names_is_told(repository: Sandbox) -> None:
    done = repository.call("keys", "rotate-recipient", "0" * 40, AGE3, ".")
    assert done.returncode == 0
    assert "no file names OLD" in done.stderr
