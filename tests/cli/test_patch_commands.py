"""The commands beside `patch run`: drift, init, set, release, role and vault-setup."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.cli import patch
from tests.cli.conftest import Run
from tests.cli.patching import CHAT, HEAD, MAIL, MANIFESTS, MAP, ONE_TARGET, RECONCILE, SMTP, VALUES, data, lay_out, notes, snapshot
from tests.cli.running import ROOT, environment

HERE = ("--folder", "cluster", "--manifests", "k3s")
NEW = "marker-new-4471"


@pytest.fixture
def repository(work: Path) -> Path:
    return lay_out(work)


@pytest.fixture
def patched(cli: Run, repository: Path) -> Path:
    assert cli("patch", "--all", *HERE, **VALUES).code == 0
    return repository


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


# ---- the group -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", patch.TABLE)
def test_every_command_has_help_with_examples(cli: Run, name: str) -> None:
    done = cli("patch", name, "--help")

    assert done.code == 0
    text = done.out.decode()
    assert text.startswith(f"Usage: secrettool patch {name}")
    assert "secrettool patch" in text.partition("Examples:\n")[2]


def test_help_of_the_group_lists_its_commands(cli: Run) -> None:
    text = cli("patch", "--help").out.decode()

    assert all(f"\n  {name} " in text for name in patch.TABLE)


def test_targets_of_the_map_are_completed(outside: Run, repository: Path) -> None:
    asked = {"COMP_WORDS": "secrettool patch run --target c", "COMP_CWORD": "4", "_SECRETTOOL_COMPLETE": "bash_complete"}

    assert outside(**asked).out == b"plain,chatto-config\n"


# ---- drift ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_28_nothing_drifts_after_a_run(cli: Run, patched: Path) -> None:
    done = cli("patch", "drift", "--all", *HERE, **VALUES)

    assert (done.code, done.out.decode().splitlines()[-1]) == (0, "4 unchanged")


def test_pt_28_edit_by_hand_is_found_and_nothing_is_written(cli: Run, patched: Path) -> None:
    change(patched, "cluster/authentik.yaml", SMTP, "by-hand")
    before = snapshot(patched)

    done = cli("patch", "drift", "--all", *HERE, **VALUES)

    assert done.code == 6
    assert "drifted    Secret/authentik/authentik-credentials\n  warning DR03: smtp-password: " in done.out.decode()
    assert done.out.decode().endswith("1 drifted, 3 unchanged\n")
    assert "by-hand" not in done.out.decode()
    assert snapshot(patched) == before


def test_pt_28_no_values_asks_no_source(cli: Run, repository: Path) -> None:
    done = cli("patch", "drift", "--all", *HERE, "--no-values", "--output", "json")

    found = {row["id"]: [each["code"] for each in row["findings"]] for row in json.loads(done.out)["targets"]}
    assert done.code == 6
    assert found == {
        "authentik-credentials": ["DR01", "DR04"],
        "chatto-config": ["DR02"],
        "letsencrypt-email": ["DR01", "DR04"],
        "mcp-proxmox-secrets": ["DR01", "DR04"],
    }


def test_pt_28_a_value_that_cannot_be_had_is_a_failure(cli: Run, patched: Path) -> None:
    assert cli("patch", "drift", "--all", *HERE).code == 3


# ---- init ----------------------------------------------------------------------------------------------------------------------------------------


def test_init_prints_what_it_would_write(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").unlink()
    shown = cli("patch", "init", "--manifests", "k3s", "--name", "homelab", "--print")
    assert not (repository / ".secrettool/patch.yaml").exists()

    written = cli("patch", "init", "--manifests", "k3s", "--name", "homelab")

    assert (shown.code, written.code) == (0, 0)
    assert (repository / ".secrettool/patch.yaml").read_bytes() == shown.out
    found = yaml.safe_load(shown.out)
    assert found["metadata"] == {"name": "homelab"}
    assert {target["id"]: target.get("create") for target in found["targets"]} == {
        "authentik-credentials": None,
        "chatto-config": "from-manifest",
        "letsencrypt": None,
        "mcp-proxmox-secrets": None,
    }


def test_init_keeps_a_map_that_is_there(cli: Run, repository: Path) -> None:
    done = cli("patch", "init", "--manifests", "k3s")
    assert (done.code, (repository / ".secrettool/patch.yaml").read_text()) == (2, MAP)

    assert cli("patch", "init", "--manifests", "k3s", "--force").code == 0
    assert (repository / ".secrettool/patch.yaml").read_text() != MAP


def test_init_looks_through_the_working_directory_but_not_at_hidden_folders(cli: Run, work: Path) -> None:
    (work / "a.yaml").write_text(MANIFESTS["k3s/authentik.yaml"])
    (work / ".hidden").mkdir()
    (work / ".hidden" / "b.yaml").write_text(MANIFESTS["k3s/chatto.yaml"])

    done = cli("patch", "init", "--print")

    assert [target["id"] for target in yaml.safe_load(done.out)["targets"]] == ["authentik-credentials"]


def test_init_says_in_the_map_how_it_is_run(cli: Run, repository: Path) -> None:
    said = cli("patch", "init", "--manifests", "k3s", "--map", "other.yaml").err

    assert "`secrettool patch --map other.yaml --manifests k3s --plan --all`" in said
    assert "#   secrettool patch --map other.yaml --manifests k3s --plan --all   shows" in (repository / "other.yaml").read_text()


def test_init_without_placeholders_says_so(cli: Run, work: Path) -> None:
    done = cli("patch", "init")

    assert done.code == 2
    assert "there are no placeholders" in done.err
    assert not (work / ".secrettool").exists()


def test_init_takes_other_tokens(cli: Run, work: Path) -> None:
    (work / "a.yaml").write_text(MANIFESTS["k3s/authentik.yaml"].replace("REPLACE_ME", "CHANGE_IT"))

    assert yaml.safe_load(cli("patch", "init", "--token", "CHANGE_IT", "--print").out)["placeholders"] == {"tokens": ["CHANGE_IT"]}
    assert cli("patch", "init", "--token", "no").code == 2


# ---- set -----------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stdin", "words", "value"),
    [
        (b"v\n", [], "v"),
        (b"v\r\n", [], "v"),
        (b"v\n\n", [], "v\n"),
        (b"v", [], "v"),
        (b"v\n", ["--keep-newline"], "v\n"),
        (b"", ["--allow-empty"], ""),
    ],
)
def test_set_writes_what_stdin_has(cli: Run, repository: Path, stdin: bytes, words: list[str], value: str) -> None:
    done = cli("patch", "set", "authentik/authentik-credentials", "smtp-password", "--from-stdin", *words, *HERE, stdin=stdin)

    assert (done.code, done.out.decode().splitlines()[0]) == (
        0,
        "changed    Secret/authentik/authentik-credentials  fill smtp-password; annotated",
    )
    assert data(repository, MAIL) == {"smtp-password": value, "user": "me"}


def test_set_takes_a_variable_and_protects_the_object(cli: Run, repository: Path) -> None:
    done = cli("patch", "set", "authentik/authentik-credentials", "smtp-password", "--from-env", "V", *HERE, V=NEW)

    assert done.code == 0
    assert data(repository, MAIL)["smtp-password"] == NEW
    assert notes(repository, MAIL)[RECONCILE] == "disabled"
    assert NEW not in done.out.decode() + done.err


def test_set_asks_on_a_terminal_and_shows_nothing(repository: Path, home: Path) -> None:
    command = [sys.executable, "-m", "secrettool", "patch", "set", "authentik/authentik-credentials", "smtp-password", "--from-stdin", *HERE]
    child, ours = pty.fork()
    if child == 0:
        os.chdir(repository)
        os.execve(sys.executable, command, {"PYTHONPATH": str(ROOT), **environment(home)})
    shown = b""
    while b"Value:" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, NEW.encode() + b"\n")
    while True:
        try:
            more = os.read(ours, 1000)
        except OSError:  # Linux: the other side is closed
            break
        if not more:
            break
        shown += more
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    assert NEW not in shown.decode()
    assert data(repository, MAIL)["smtp-password"] == NEW


def test_set_creates_only_when_told(cli: Run, repository: Path) -> None:
    words = ("patch", "set", "chatto/new", "key", "--from-stdin", "--folder", "cluster")
    missing = cli(*words, stdin=b"v")
    assert (missing.code, "OB01" in missing.out.decode(), "hint: --create" in missing.out.decode()) == (3, True, True)

    assert cli(*words, "--create", stdin=b"v").code == 0
    assert data(repository, CHAT._replace(name="new")) == {"key": "v"}


@pytest.mark.parametrize(
    ("words", "env", "code", "says"),
    [
        (["a/b", "k"], {}, 2, "--from-stdin or --from-env"),
        (["a/b", "k", "--from-stdin", "--from-env", "V"], {"V": "v"}, 2, "--from-stdin or --from-env"),
        (["a/b", "k", "--from-env", "V"], {}, 2, "V: the variable is not set"),
        (["ab", "k", "--from-stdin"], {}, 2, "NAMESPACE/NAME"),
        (["a/b/c", "k", "--from-stdin"], {}, 2, "NAMESPACE/NAME"),
        (["a/b", "k/l", "--from-stdin"], {}, 2, "KEY"),
        (["a/b"], {}, 2, "Missing argument 'KEY'"),
    ],
)
def test_set_refuses_what_it_cannot_read(cli: Run, repository: Path, words: list[str], env: dict[str, str], code: int, says: str) -> None:
    done = cli("patch", "set", *words, "--folder", "cluster", **env)

    assert (done.code, done.out) == (code, b"")
    assert says in done.err


@pytest.mark.parametrize(("stdin", "code"), [(b"", "VL02"), (b"REPLACE_ME_x", "VL03")])
def test_pt_07_set_refuses_what_is_no_value(cli: Run, repository: Path, stdin: bytes, code: str) -> None:
    before = snapshot(repository)

    done = cli("patch", "set", "authentik/authentik-credentials", "smtp-password", "--from-stdin", "--folder", "cluster", stdin=stdin)

    assert (done.code, code in done.out.decode()) == (3, True)
    assert snapshot(repository) == before


def test_pt_32_set_masks_its_value(outside: Run, repository: Path) -> None:
    words = ("patch", "set", "authentik/authentik-credentials", "smtp-password", "--from-stdin", "--folder", "cluster")

    done = outside(*words, stdin=NEW.encode(), GITHUB_ACTIONS="true")

    assert done.out.decode().splitlines()[0] == f"::add-mask::{NEW}"


# ---- release -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_22_release_is_refused_while_git_has_a_placeholder(cli: Run, patched: Path) -> None:
    done = cli("patch", "release", "authentik/authentik-credentials", *HERE)

    assert done.code == 5
    assert "refused    Secret/authentik/authentik-credentials\n  error PH003: smtp-password: " in done.out.decode()
    assert notes(patched, MAIL)[RECONCILE] == "disabled"


def test_pt_22_release_takes_the_annotation_away(cli: Run, patched: Path) -> None:
    change(patched, "k3s/authentik.yaml", "smtp-password: REPLACE_ME_resend_key, ", "")

    done = cli("patch", "release", "authentik/authentik-credentials", *HERE)

    assert (done.code, done.out) == (0, b"changed    Secret/authentik/authentik-credentials  annotation removed\n1 changed\n")
    assert RECONCILE not in notes(patched, MAIL)
    assert cli("patch", "release", "authentik/authentik-credentials", *HERE).out.endswith(b"1 unchanged\n")


def test_pt_22_release_takes_targets_of_the_map(cli: Run, patched: Path) -> None:
    change(patched, "k3s/issuer.yaml", "REPLACE_ME", "me@example.net")

    done = cli("patch", "release", "--group", "mail", *HERE, "--output", "json")

    results = {row["id"]: row["result"] for row in json.loads(done.out)["targets"]}
    assert (done.code, results) == (3, {"Secret/authentik/authentik-credentials": "refused", "ClusterIssuer/letsencrypt": "changed"})


def test_pt_22_release_dry_run_stores_nothing(cli: Run, patched: Path) -> None:
    before = snapshot(patched)

    assert cli("patch", "release", "authentik/authentik-credentials", "--folder", "cluster", "--dry-run", "server").code == 0
    assert snapshot(patched) == before


@pytest.mark.parametrize("words", [[], ["a/b", "--target", "chatto-config"], ["a-b"]])
def test_release_wants_an_object_or_targets(cli: Run, repository: Path, words: list[str]) -> None:
    assert cli("patch", "release", *words, "--folder", "cluster").code == 2


# ---- rotate --------------------------------------------------------------------------------------------------------------------------------------


def test_rotate_without_a_generated_value_is_no_run_that_was_broken_off(cli: Run, repository: Path) -> None:
    done = cli("patch", "rotate", "--target", "chatto-config", *HERE, **VALUES)

    assert (done.code, "has no value that is generated" in done.err, "broken off" in done.err) == (2, True, False)


# ---- role and vault-setup ------------------------------------------------------------------------------------------------------------------------


def roles(cli: Run, *words: str) -> list[dict[str, Any]]:
    done = cli("patch", "role", *words)
    assert done.code == 0, done.err
    return list(yaml.safe_load_all(done.out))


def test_pt_34_roles_name_every_object_and_list_nothing(cli: Run, repository: Path) -> None:
    found = roles(cli)

    assert [(obj["kind"], obj["metadata"].get("namespace")) for obj in found] == [
        ("ClusterRole", None),
        ("Role", "authentik"),
        ("Role", "chatto"),
        ("Role", "mcp-proxmox"),
    ]
    rules = [rule for obj in found for rule in obj["rules"]]
    assert all(rule["resourceNames"] for rule in rules)
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "patch", "create"}


def test_pt_34_roles_are_bound_to_an_account(cli: Run, repository: Path) -> None:
    _, binding = roles(cli, "--target", "letsencrypt-email", "--service-account", "ci/patch", "--name", "n")

    assert binding["kind"] == "ClusterRoleBinding"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "patch", "namespace": "ci"}]
    assert cli("patch", "role", "--service-account", "patch").code == 2


VAULT = f"""{HEAD}providers:
  kv: {{type: vault, mount: kv, auth: {{method: jwt, role: r, github: {{audience: 'https://v.example'}}}}}}
values:
  x: {{provider: kv, path: authentik, key: smtp-password}}
{ONE_TARGET}"""


def test_pt_12_vault_setup_is_a_script_with_policy_and_role(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").write_text(VAULT)

    done = cli("patch", "vault-setup", "--claim", "repository=me/homelab", "--claim", "ref=refs/heads/*")

    script = done.out.decode()
    assert done.code == 0
    assert 'path "kv/data/authentik" {\n  capabilities = ["read"]\n}' in script
    role = json.loads(script.partition("vault write auth/jwt/role/r - <<'EOF'\n")[2].partition("\nEOF")[0])
    assert (role["bound_claims"], role["bound_claims_type"]) == ({"repository": "me/homelab", "ref": "refs/heads/*"}, "glob")
    assert subprocess.run(["bash", "-n"], input=done.out, check=False).returncode == 0


@pytest.mark.parametrize("words", [["--claim", "repository"], ["--claim", "=x"], ["--target", "nope"]])
def test_pt_12_vault_setup_refuses_what_it_cannot_read(cli: Run, repository: Path, words: list[str]) -> None:
    (repository / ".secrettool/patch.yaml").write_text(VAULT)

    assert cli("patch", "vault-setup", *words).code == 2


def test_pt_12_vault_setup_needs_a_vault_in_the_map(cli: Run, repository: Path) -> None:
    assert "no value of the map comes from a Vault" in cli("patch", "vault-setup").err


# ---- the files of a repository -------------------------------------------------------------------------------------------------------------------


def test_manifests_that_cannot_be_read_are_passed_over_with_a_warning(cli: Run, repository: Path) -> None:
    (repository / "k3s" / "a.yaml").write_bytes(b"\xff\xfe authentik-credentials")
    (repository / "k3s" / "b.yaml").write_text("authentik-credentials: [")
    (repository / "k3s" / "c.yaml").symlink_to("nowhere")

    done = cli("patch", "--target", "authentik-credentials", *HERE, "--plan", **VALUES)

    assert done.code == 0
    warnings = done.err.splitlines()
    assert len(warnings) == 2
    assert "k3s/a.yaml: not UTF-8 text, passed over" in warnings[0]
    assert "passed over, since it cannot be read as manifests: k3s/b.yaml" in warnings[1]


def test_paths_of_manifests_begin_at_the_repository(cli: Run, repository: Path) -> None:
    (repository / ".git").mkdir()
    elsewhere = repository / "k3s"

    text = cli("patch", "init", "--manifests", ".", "--print", cwd=elsewhere).out.decode()

    assert "  # k3s/authentik.yaml:1\n" in text


def test_manifests_of_two_repositories_are_refused(cli: Run, repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    done = cli("patch", "--all", "--folder", "cluster", "--manifests", "k3s", "--manifests", str(other), **VALUES)

    assert (done.code, "lies outside of" in done.err) == (2, True)
