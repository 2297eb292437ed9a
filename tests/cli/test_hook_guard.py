"""`hook guard`: what is printed, where, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import ROOT, environment

SEALED = "ENC[AES256_GCM,data:c2VjcmV0LW1hcmtlcg==,iv:aXY=,tag:dGFn,type:str]"
GOOD = b"""\
# a comment that must stay
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData:
  password: 'correct horse'   # here too
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: "3"}
"""
BAD = (
    GOOD
    + f"""\
---
apiVersion: v1
kind: Secret
metadata: {{name: mail, namespace: shop}}
stringData:
  token: {SEALED}
  user: REPLACE_ME_secret-marker
""".encode()
)
CIPHERTEXT = "Secret/shop/mail: /stringData/token: ciphertext of sops, and nothing decrypted it"
PLACEHOLDER = "Secret/shop/mail: /stringData/user: a placeholder"
HINTS = [
    "hint: decrypt before this step, as `secrettool hook build` and `secrettool hook decrypt` do",
    "hint: put the value there, or allow placeholders when something else fills the object in the cluster",
]


# ---- streams -------------------------------------------------------------------------------------------------------------------------------------


def test_da_33_a_good_stream_passes_without_a_word(cli: Run) -> None:
    assert cli("hook", "guard", stdin=GOOD) == (0, b"", "")


def test_da_33_a_good_stream_is_printed_byte_for_byte(cli: Run) -> None:
    assert cli("hook", "guard", "--print", stdin=GOOD) == (0, GOOD, "")


def test_da_33_a_bad_stream_ends_with_code_5_and_a_line_for_each_finding(cli: Run) -> None:
    done = cli("hook", "guard", "--print", "-", stdin=BAD)
    assert (done.code, done.out) == (5, b"")
    assert done.err.splitlines() == [f"HK150 line 13: {CIPHERTEXT}", HINTS[0], f"HK152 line 13: {PLACEHOLDER}", HINTS[1]]


def test_da_33_a_file_is_named_in_the_findings(cli: Run, work: Path) -> None:
    (work / "rendered.yaml").write_bytes(BAD)
    done = cli("hook", "guard", "rendered.yaml")
    assert done.code == 5
    assert done.err.splitlines()[0] == f"HK150 rendered.yaml:13: {CIPHERTEXT}"


def test_da_33_a_stream_of_json_objects_is_read(cli: Run) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "viaduct.ai/v1", "kind": "ksops", "metadata": {"name": "g"}}]}
    done = cli("hook", "guard", stdin=json.dumps(listed).encode())
    assert done.code == 5
    assert done.err.startswith("HK154 line 1: ksops/g: ")


@pytest.mark.parametrize("nothing", [b"", b"# nothing\n", b"---\n"])
def test_an_empty_stream_passes(cli: Run, nothing: bytes) -> None:
    assert cli("hook", "guard", "--print", stdin=nothing) == (0, nothing, "")


def test_da_58_a_stream_is_not_printed_on_a_terminal(work: Path, home: Path) -> None:
    """stdout is a terminal here: nothing but --show lets the plain text through."""
    (work / "good.yaml").write_bytes(GOOD)
    for more, code in (([], 2), (["--show"], 0)):
        own, other = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "secrettool", "hook", "guard", "--print", *more, "good.yaml"],
            cwd=work,
            env={"PYTHONPATH": str(ROOT), **environment(home)},
            stdin=subprocess.DEVNULL,
            stdout=other,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(other)
        try:
            shown = os.read(own, 65536)
        except OSError:  # what a terminal says at its end
            shown = b""
        os.close(own)
        assert done.returncode == code
        assert (b"correct horse" in shown) == bool(more)


# ---- options -------------------------------------------------------------------------------------------------------------------------------------


def test_placeholders_pass_when_they_are_allowed(cli: Run) -> None:
    stream = b"kind: ConfigMap\ndata: {a: REPLACE_ME}\n"
    assert cli("hook", "guard", stdin=stream).code == 5
    assert cli("hook", "guard", "--allow-placeholders", stdin=stream) == (0, b"", "")


def test_other_tokens_are_placeholders(cli: Run) -> None:
    stream = b"kind: ConfigMap\nmetadata: {name: c}\ndata: {a: REPLACE_ME, b: CHANGE_ME, c: <TODO>}\n"
    done = cli("hook", "guard", "--token", "CHANGE_ME", "--token=<TODO>", stdin=stream)
    assert [line.split(": ")[2] for line in done.err.splitlines() if line.startswith("HK152")] == ["/data/b", "/data/c"]


@pytest.mark.parametrize("token", ["", "abc", "replace_me", "TOO LONG"])
def test_a_token_that_cannot_be_one_is_refused(cli: Run, token: str) -> None:
    done = cli("hook", "guard", "--token", token, stdin=GOOD)
    assert (done.code, done.out) == (2, b"")
    assert "a token has 4 to 64" in done.err


# ---- forms ---------------------------------------------------------------------------------------------------------------------------------------


def test_json_goes_to_stdout(cli: Run) -> None:
    done = cli("hook", "guard", "--output", "json", stdin=BAD)
    report = json.loads(done.out)
    assert (done.code, done.err) == (5, "")
    assert [(row["code"], row["line"], row["key"]) for row in report["findings"]] == [
        ("HK150", 13, "/stringData/token"),
        ("HK152", 13, "/stringData/user"),
    ]


def test_json_goes_to_stderr_when_stdout_is_for_the_stream(cli: Run) -> None:
    refused, passed = cli("hook", "guard", "--print", "--output", "json", stdin=BAD), cli("hook", "guard", "--print", "--output", "json", stdin=GOOD)
    assert (refused.code, refused.out, json.loads(refused.err)["totals"]["error"]) == (5, b"", 2)
    assert (passed.code, passed.out, json.loads(passed.err)["findings"]) == (0, GOOD, [])


def test_pt_30_github_prints_workflow_commands(cli: Run) -> None:
    done = cli("hook", "guard", "--output", "github", stdin=BAD)
    assert done.out.decode().splitlines() == [
        f"::error title=HK150::{CIPHERTEXT}%0A{HINTS[0].removeprefix('hint: ')}",
        f"::error title=HK152::{PLACEHOLDER}%0A{HINTS[1].removeprefix('hint: ')}",
    ]


def test_pt_31_sarif_names_the_file(cli: Run, work: Path) -> None:
    (work / "rendered.yaml").write_bytes(BAD)
    done = cli("hook", "guard", "--output", "sarif", "rendered.yaml")
    results = json.loads(done.out)["runs"][0]["results"]
    assert [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results] == ["rendered.yaml"] * 2


def test_sarif_of_a_good_stream_is_an_empty_log(cli: Run) -> None:
    done = cli("hook", "guard", "--output", "sarif", stdin=GOOD)
    assert (done.code, json.loads(done.out)["runs"][0]["results"]) == (0, [])


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_da_22_no_form_shows_a_value(cli: Run, form: str) -> None:
    done = cli("hook", "guard", "--output", form, stdin=BAD)
    for marker in ("secret-marker", "c2VjcmV0", "correct horse", "AES256"):
        assert marker not in done.out.decode() + done.err


# ---- bad input -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream", [b"a: [secret-marker\n", b"- secret-marker\n", b"\xff\xfesecret-marker", b'{"secret-marker": ', b"kind: x\nkind: secret-marker\n"]
)
def test_da_23_what_cannot_be_read_is_code_2_and_quotes_nothing(cli: Run, stream: bytes) -> None:
    done = cli("hook", "guard", "--print", stdin=stream)
    assert (done.code, done.out) == (2, b"")
    assert done.err and "secret-marker" not in done.err


def test_da_23_a_missing_file_is_code_2(cli: Run) -> None:
    done = cli("hook", "guard", "missing.yaml")
    assert (done.code, done.out) == (2, b"")
    assert "missing.yaml" in done.err


def test_da_23_an_unknown_option_is_code_2(cli: Run) -> None:
    assert cli("hook", "guard", "--outputs").code == 2
    assert cli("hook", "guard", "--output", "xml").code == 2
