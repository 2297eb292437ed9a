"""`secrettool hook decrypt`: manifests in, manifests out."""

from __future__ import annotations

import os
import pty
from base64 import b64encode
from pathlib import Path

import pytest

from secrettool.library import encrypt
from secrettool.manifests import dump
from secrettool.sops.selection import Selector
from tests.cli.running import environment, forked, program
from tests.hook.keys import IDENTITY_A, IDENTITY_B, recipient_of, sealed

CANARY = "canary-91be"
PLAIN = "# kept\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n"
SECRET = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: team\nstringData:\n  password: {CANARY}\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_bytes(IDENTITY_A)
    (tmp_path / "b.txt").write_bytes(IDENTITY_B)
    return tmp_path


def whole(text: str = SECRET) -> str:
    return str(encrypt(text, "yaml", recipients=[recipient_of(IDENTITY_A)], selector=Selector("encrypted_regex", "^(data|stringData)$")))


def decrypt(work: Path, text: str, *words: str, **env: str) -> tuple[int, str, str]:
    """Run the command: exit code, stdout, stderr."""
    environ = environment(work, **env)
    environ.pop("SOPS_AGE_KEY_FILE")
    done = forked(["hook", "decrypt", *words], work, environ | env, text.encode())
    return done.code, done.out.decode(), done.err


def key_manifest(work: Path, name: str = "keys.yaml", **entries: bytes) -> str:
    data = {entry.replace("_", "."): b64encode(content).decode() for entry, content in entries.items()}
    (work / name).write_text(dump([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sops-age"}, "data": data}]))
    return name


def flux_manifest(work: Path, provider: str = "sops") -> str:
    spec = {"path": ".", "prune": True, "interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "s"}, "decryption": {"provider": provider}}
    source = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "s"}}
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps", "namespace": "team"}, "spec": spec}
    (work / "flux.yaml").write_text(dump([source, flux]))
    return "flux.yaml"


# ---- streams -------------------------------------------------------------------------------------------------------------------------------------


def test_da_58_a_stream_comes_out_decrypted_and_what_was_plain_as_it_was_written(work: Path) -> None:
    code, out, err = decrypt(work, f"{PLAIN}---\n{whole()}", "--key-file", "a.txt")
    assert (code, err) == (0, "")
    assert out == f"{PLAIN}---\n{SECRET}"


def test_the_documents_of_one_encrypted_file_have_a_mac_that_fits(work: Path) -> None:
    assert decrypt(work, whole(f"{SECRET}---\n{SECRET}"), "--key-file", "a.txt", "--mac=require") == (0, f"{SECRET}---\n{SECRET}", "")


def test_a_manifest_of_which_everything_is_encrypted_opens_and_is_named_when_it_does_not(work: Path) -> None:
    text = sealed(SECRET)
    assert decrypt(work, text, "--key-file", "a.txt") == (0, SECRET, "")
    assert decrypt(work, text, "--key-file", "b.txt")[2].startswith("HK111 (encrypted)/(encrypted)/(encrypted): no key opens")


def test_da_24_a_changed_manifest_is_told_and_under_require_refused(work: Path) -> None:
    changed = whole(f"{SECRET}type_unencrypted: a\n").replace("type_unencrypted: a", "type_unencrypted: b")
    code, out, err = decrypt(work, changed, "--key-file", "a.txt")
    assert code == 0
    assert CANARY in out
    assert err.startswith("secrettool: warning: HK008 Secret/team/db: ")
    code, out, err = decrypt(work, changed, "--key-file", "a.txt", "--mac=require")
    assert (code, out) == (7, "")
    assert err.startswith("HK114 Secret/team/db: ")


def test_json_objects_and_lists_are_taken_apart(work: Path) -> None:
    text = '{"apiVersion": "v1", "kind": "List", "items": [{"kind": "ConfigMap"}]}\n{"kind": "Service"}\n'
    assert decrypt(work, text) == (0, 'kind: ConfigMap\n---\n{"kind": "Service"}\n', "")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n"])
def test_a_stream_without_an_object_gives_nothing(work: Path, text: str) -> None:
    assert decrypt(work, text) == (0, "", "")


@pytest.mark.parametrize("text", [f"a: [{CANARY}", f"- {CANARY}\n", f"{{{CANARY}", '{"a": "\\ud8'], ids=["flow", "list", "json", "cut"])
def test_a_broken_stream_is_not_quoted(work: Path, text: str) -> None:
    code, out, err = decrypt(work, text)
    assert (code, out) == (2, "")
    assert err.startswith("secrettool: error: stdin: ")
    assert CANARY not in err


def test_da_59_two_runs_print_equal_bytes(work: Path) -> None:
    text = f"{whole()}---\n{PLAIN}---\n{whole()}"
    assert decrypt(work, text, "--key-file", "a.txt") == decrypt(work, text, "--key-file", "a.txt")


# ---- keys ----------------------------------------------------------------------------------------------------------------------------------------


def test_da_06_keys_come_from_files_manifests_and_the_environment(work: Path) -> None:
    text = whole()
    key_manifest(work, a_agekey=IDENTITY_A)
    for words in (
        ["--key-file", "a.txt"],
        ["--key-file", "b.txt", "--key-file", "a.txt"],
        ["--key-secret", "keys.yaml"],
        ["--age-secret", "keys.yaml"],
    ):
        assert decrypt(work, text, *words, "--no-env-keys")[:2] == (0, SECRET)
    assert decrypt(work, text, SOPS_AGE_KEY=IDENTITY_A.decode())[:2] == (0, SECRET)


def test_da_06_flags_win_over_the_secret_of_the_flag_for_all(work: Path) -> None:
    key_manifest(work, a_agekey=IDENTITY_A)
    code, out, err = decrypt(work, whole(), "--key-file", "b.txt", "--age-secret", "keys.yaml")
    assert (code, out) == (7, "")
    assert err.startswith("HK111 Secret/team/db: no key opens the data key: age1")


@pytest.mark.parametrize(("provider", "expected"), [("sops", True), ("other", False)])
def test_da_06_the_flux_kustomization_says_whether_anything_is_decrypted(work: Path, provider: str, expected: bool) -> None:
    code, out, err = decrypt(work, whole(), "--flux-kustomization", flux_manifest(work, provider), "--key-file", "a.txt")
    assert code == 0
    assert (CANARY in out) is expected
    assert ("Kustomization/team/apps does not ask for decryption" in err) is not expected


def test_da_10_no_env_keys_keeps_the_environment_out(work: Path) -> None:
    code, out, err = decrypt(work, whole(), "--no-env-keys", SOPS_AGE_KEY=IDENTITY_A.decode())
    assert (code, out) == (7, "")
    assert "those of the environment are switched off\nhint: " in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--key-file", "absent"], "absent: cannot be read: no such file or directory"),
        (["--key-secret", "a.txt"], "a.txt: "),
        (["--flux-kustomization", "plain.yaml"], "plain.yaml: no Flux Kustomizations in it"),
        (["--key-secret", "plain.yaml"], "plain.yaml: not the manifest of a Secret"),
        (["--key-secret", "sealed.yaml"], "sealed.yaml: this Secret is encrypted itself"),
    ],
)
def test_keys_that_cannot_be_read_are_a_matter_of_configuration(work: Path, words: list[str], told: str) -> None:
    (work / "plain.yaml").write_text(PLAIN)
    (work / "sealed.yaml").write_text(whole())
    code, out, err = decrypt(work, whole(), *words)
    assert (code, out) == (2, "")
    assert told in err


def test_a_bad_entry_is_named_and_ends_with_the_code_of_decryption(work: Path) -> None:
    code, out, err = decrypt(work, whole(), "--key-secret", key_manifest(work, a_agekey=b"nonsense"))
    assert (code, out) == (7, "")
    assert err.startswith("HK103 keys.yaml: entry a.agekey, line 1: not an age identity\nhint: ")


def test_da_08_an_entry_of_a_cloud_is_a_warning(work: Path) -> None:
    (work / "keys.yaml").write_text(
        dump([{"apiVersion": "v1", "kind": "Secret", "stringData": {"a.agekey": IDENTITY_A.decode(), "sops.aws-kms": "aws_access_key_id: x\n"}}])
    )
    code, out, err = decrypt(work, whole(), "--key-secret", "keys.yaml")
    assert (code, out) == (0, SECRET)
    assert "warning: HK104 keys.yaml: key provider not supported: sops.aws-kms" in err


# ---- strictness and failures ---------------------------------------------------------------------------------------------------------------------


def test_da_16_strict_flux_leaves_string_data_alone(work: Path) -> None:
    text = dump([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a.yaml": sealed(f"a: {CANARY}\n")}}])
    assert CANARY in decrypt(work, text, "--key-file", "a.txt")[1]
    assert decrypt(work, text, "--key-file", "a.txt", "--strict-flux") == (0, text, "")


def test_da_12_the_limit_can_be_changed(work: Path) -> None:
    text = dump([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a.yaml": sealed("a: b\n")}}])
    code, out, err = decrypt(work, text, "--key-file", "a.txt", "--max-file-size", "100")
    assert (code, out) == (7, "")
    assert err.startswith("HK120 Secret/x: a.yaml: ")


def test_da_23_all_failures_are_printed_and_nothing_else(work: Path) -> None:
    text = f"{whole()}---\n{PLAIN}---\n{whole().replace('name: db', 'name: other')}"
    code, out, err = decrypt(work, text, "--key-file", "b.txt")
    assert (code, out) == (7, "")
    lines = [line for line in err.splitlines() if not line.startswith("hint: ")]
    assert [line.split(": ")[0] for line in lines] == ["HK111 Secret/team/db", "HK111 Secret/team/other"]


def test_da_22_errors_hold_no_value(work: Path) -> None:
    for text in (whole().replace("type:str", "type:int"), whole().replace("ENC[AES", f"{CANARY}[AES", 1), whole().replace(",data:", ",data:AA", 1)):
        code, out, err = decrypt(work, text, "--key-file", "a.txt")
        assert (code, out) == (7, "")
        assert err.startswith("HK11")
        assert CANARY not in err


def test_wrong_words_end_with_the_code_of_configuration(work: Path) -> None:
    assert decrypt(work, "", "--nonsense")[0] == 2
    assert decrypt(work, "", "--mac=never")[0] == 2


# ---- terminal ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "code", "told"), [([], 2, b""), (["--show"], 0, CANARY.encode())], ids=["refused", "shown"])
def test_da_58_secrets_are_not_shown_on_a_terminal_unless_asked_for(work: Path, words: list[str], code: int, told: bytes) -> None:
    ours, theirs = pty.openpty()
    try:
        done = program(["hook", "decrypt", "--key-file", "a.txt", *words], work, environment(work), whole().encode(), stdout=theirs)
        os.close(theirs)
        shown = os.read(ours, 65536) if code == 0 else b""
    finally:
        os.close(ours)
    assert done.code == code
    assert told in shown
    assert ("--show" in done.err) is (code == 2)
