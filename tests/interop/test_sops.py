"""The real sops reads what we write and the other way round: every store, every option."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

import secrettool
from secrettool.library import StoreName
from secrettool.sops.selection import Selector, SelectorKind

pytestmark = pytest.mark.real

KEYS = Path(__file__).parent.parent / "vectors" / "keys"
SUFFIX: dict[StoreName, str] = {"yaml": ".yaml", "json": ".json", "dotenv": ".env", "ini": ".ini", "binary": ".bin"}

SAMPLES: dict[StoreName, bytes] = {
    "yaml": b"""\
# head of the file
apiVersion: v1
kind: Secret
metadata:
    name: orchard # beside
data:
    # secret: above a value
    plain: word
    quoted: "two words: one"
    single: 'it''s'
    number: 42
    float: 3.25
    yes: true
    when: 2031-07-09
    nothing: null
    empty: ""
    block: |
        first
        second
    list:
        - a
        - b: c
          d: [1, "two", 3.5]
    emoji: "\\U0001F600 \xc3\xa9"
    k_unencrypted: clear
    s_secret: hidden
---
second:
    document: here
""",
    "json": b"""\
{
	"kind": "Secret",
	"data": {
		"word": "plain",
		"number": 42,
		"float": 3.25,
		"flag": true,
		"nothing": null,
		"empty": "",
		"list": ["a", {"b": "c"}, [1, 2.5]],
		"unicode": "\xc3\xa9 \\u2028 <&>",
		"k_unencrypted": "clear",
		"s_secret": "hidden"
	}
}
""",
    "dotenv": b"# comment\nDATA=plain\nQUOTED='single' \"double\"\nLINES=one\\ntwo\nEMPTY=\nK_unencrypted=clear\nS_secret=hidden\n",
    "ini": b"; comment\nroot = top\n\n[data]\n; secret: above a key\nplain = word\nquoted = `a # b`\nk_unencrypted = clear\ns_secret = hidden\n",
    "binary": bytes(range(256)) * 3,
}

SELECTORS: list[tuple[SelectorKind, str]] = [
    ("unencrypted_suffix", "_unencrypted"),
    ("encrypted_suffix", "_secret"),
    ("encrypted_regex", "^(data|stringData|DATA)$"),
    ("unencrypted_regex", "^(kind|apiVersion|metadata|root)$"),
    ("encrypted_comment_regex", "^ secret"),
    ("unencrypted_comment_regex", "^ head"),
]


class Sops(NamedTuple):
    """The real sops in a folder of its own, with the throwaway keys."""

    program: Path
    folder: Path

    def run(self, *argv: str, config: str | None = None) -> bytes:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SOPS_AGE_KEY": "\n".join((KEYS / name).read_text() for name in ("age1.txt", "age2.txt", "age3.txt", "pq.txt")),
        }
        if config is not None:
            (self.folder / ".sops.yaml").write_text(config)
        else:
            (self.folder / ".sops.yaml").unlink(missing_ok=True)
        done = subprocess.run([self.program, *argv], cwd=self.folder, env=environ, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def write(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name


@pytest.fixture
def sops(real_sops: Path, tmp_path: Path) -> Sops:
    return Sops(real_sops, tmp_path)


@pytest.fixture
def runtime() -> secrettool.Runtime:
    keys = "\n".join((KEYS / name).read_text() for name in ("age1.txt", "age2.txt", "age3.txt", "pq.txt"))
    return secrettool.local_runtime({"SOPS_AGE_KEY": keys, "HOME": "/nonexistent"})


def recipient(name: str) -> str:
    """The public key of a throwaway identity, as its file says in a comment."""
    for line in (KEYS / name).read_text().splitlines():
        if "public key:" in line:
            return line.split("public key:")[1].strip()
    raise AssertionError(name)


def rule(selector: tuple[SelectorKind, str], only: bool) -> str:
    kind, text = selector
    return f"creation_rules:\n  - age: {recipient('age1.txt')}\n    {kind}: '{text}'\n    mac_only_encrypted: {str(only).lower()}\n"


def ours(store: StoreName, selector: tuple[SelectorKind, str], only: bool, runtime: secrettool.Runtime) -> bytes:
    done = secrettool.encrypt(
        SAMPLES[store], store, recipients=[recipient("age1.txt")], selector=Selector(*selector), mac_only_encrypted=only, runtime=runtime
    )
    assert isinstance(done, bytes)
    return done


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("selector", SELECTORS, ids=[kind for kind, _ in SELECTORS])
@pytest.mark.parametrize("store", list(SAMPLES))
def test_sops_prints_the_same_for_our_file_and_its_own(
    store: StoreName, selector: tuple[SelectorKind, str], only: bool, sops: Sops, runtime: secrettool.Runtime
) -> None:
    plain = sops.write("plain" + SUFFIX[store], SAMPLES[store])
    own = sops.write("own" + SUFFIX[store], sops.run("encrypt", plain, config=rule(selector, only)))
    mine = sops.write("mine" + SUFFIX[store], ours(store, selector, only, runtime))
    assert sops.run("decrypt", mine) == sops.run("decrypt", own)


@pytest.mark.parametrize("selector", SELECTORS, ids=[kind for kind, _ in SELECTORS])
@pytest.mark.parametrize("store", list(SAMPLES))
def test_we_open_what_sops_wrote(store: StoreName, selector: tuple[SelectorKind, str], sops: Sops, runtime: secrettool.Runtime) -> None:
    plain = sops.write("plain" + SUFFIX[store], SAMPLES[store])
    own = sops.run("encrypt", plain, config=rule(selector, False))
    theirs = sops.run("decrypt", sops.write("own" + SUFFIX[store], own))
    back = secrettool.decrypt(own, store, runtime=runtime)
    assert isinstance(back, bytes)
    # Inline comments stay inline; sops moves them above their value.
    assert sorted(back.replace(b"#", b"\n#").split()) == sorted(theirs.replace(b"#", b"\n#").split())


@pytest.mark.parametrize("store", list(SAMPLES))
def test_sops_and_we_take_turns_on_one_file(store: StoreName, sops: Sops, runtime: secrettool.Runtime) -> None:
    mine = sops.write("file" + SUFFIX[store], ours(store, SELECTORS[0], False, runtime))
    before = secrettool.values(sops.folder.joinpath(mine).read_bytes(), store, runtime=runtime)
    sops.run("rotate", "-i", mine)
    rotated = secrettool.rotate(sops.folder.joinpath(mine).read_bytes(), store, runtime=runtime)
    assert isinstance(rotated, bytes)
    sops.write(mine, rotated)
    sops.run("rotate", "-i", mine)
    assert secrettool.values(sops.folder.joinpath(mine).read_bytes(), store, runtime=runtime) == before


def test_sops_sets_a_value_in_our_file_and_we_in_its(sops: Sops, runtime: secrettool.Runtime) -> None:
    data = b'{"a": "1", "b": {"c": 2.5}}'
    mine = secrettool.encrypt(data, "json", recipients=[recipient("age1.txt")], runtime=runtime)
    assert isinstance(mine, bytes)
    name = sops.write("file.json", mine)
    sops.run("set", name, '["b"]["d"]', '"new"')
    done = secrettool.set_value(sops.folder.joinpath(name).read_bytes(), "json", ("a",), "other", runtime=runtime)
    assert isinstance(done, bytes)
    assert sops.run("decrypt", "--extract", '["a"]', sops.write(name, done)) == b"other"
    assert secrettool.values(done, "json", runtime=runtime) == [{"a": "other", "b": {"c": 2.5, "d": "new"}}]


@pytest.mark.parametrize("threshold", [0, 2])
def test_key_groups_go_both_ways(threshold: int, sops: Sops, runtime: secrettool.Runtime) -> None:
    names = ("age1.txt", "age2.txt", "age3.txt")
    groups = "".join(f"      - age: [{recipient(name)}]\n" for name in names)
    config = f"creation_rules:\n  - shamir_threshold: {threshold or 3}\n    key_groups:\n{groups}"
    own = sops.run("encrypt", sops.write("plain.json", b'{"a": "x"}'), config=config)
    assert secrettool.decrypt(own, "json", runtime=runtime) == b'{\n\t"a": "x"\n}\n'
    from secrettool.keys.recipients import age_keys

    mine = secrettool.encrypt(
        b'{"a": "x"}', "json", groups=[tuple(age_keys(recipient(name))) for name in names], shamir_threshold=threshold, runtime=runtime
    )
    assert isinstance(mine, bytes)
    assert sops.run("decrypt", "--extract", '["a"]', sops.write("mine.json", mine)) == b"x"


def test_post_quantum_recipients_go_both_ways(sops: Sops, runtime: secrettool.Runtime) -> None:
    mine = secrettool.encrypt(b'{"a": "x"}', "json", recipients=[recipient("pq.txt")], runtime=runtime)
    assert isinstance(mine, bytes)
    assert sops.run("decrypt", "--extract", '["a"]', sops.write("mine.json", mine)) == b"x"
    own = sops.run("encrypt", "--age", recipient("pq.txt"), sops.write("plain.json", b'{"a": "x"}'))
    assert secrettool.values(own, "json", runtime=runtime) == [{"a": "x"}]
