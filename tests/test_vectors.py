"""Every vector of `tests/vectors`, run against the command line. `replay.py` there says what must hold; the few that must not are listed here."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cli.running import UNMEASURED, VECTORS, environment, forked

Vector = dict[str, Any]


def _load_replay() -> Any:
    spec = importlib.util.spec_from_file_location("replay", VECTORS / "replay.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPLAY = _load_replay()
INDEX: dict[str, Any] = yaml.load((VECTORS / "index.yaml").read_text(), Loader=yaml.CSafeLoader)
NAMES: dict[str, Vector] = {vector["name"]: vector for vector in INDEX["vectors"]}
ALL = 459

# replay.py leaves closing its files to the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


Replay: Any = REPLAY.Replay


class Forked(Replay):  # type: ignore[misc]
    """The replayer, with a forked child in the place of a program, and without the real sops.

    Args:
        instead: Content for files of the index that say something else than secrettool does.
    """

    def __init__(self, instead: dict[str, bytes] | None = None) -> None:
        self.lossless = True
        self.reference = None
        self.root = str(VECTORS)
        self.index = INDEX
        self.tool: list[str] = []
        self.want_stderr = False
        self.rules = [(REPLAY.re.compile(rule["pattern"]), rule["replace"]) for rule in INDEX["normalise"]]
        self.instead = instead or {}

    def read(self, path: str) -> bytes:
        return self.instead.get(path) or bytes(super().read(path))

    def run(
        self, argv: list[str], cwd: str, home: str, keys: Any = ("age1",), env: dict[str, str] | None = None, stdin: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        full = environment(home, TZ="UTC")
        del full["SOPS_AGE_KEY_FILE"]
        identities = []
        for key in keys:
            info = INDEX["keys"][key]
            if info["type"] == "ssh":
                path = Path(home, Path(info["file"]).name)
                path.write_bytes(self.read(info["file"]))
                path.chmod(0o600)
                full["SOPS_AGE_SSH_PRIVATE_KEY_FILE"] = str(path)
            else:
                identities.append(self.read(info["file"]).decode())
        if identities:
            path = Path(home, "identities.txt")
            path.write_text("\n".join(identities))
            full["SOPS_AGE_KEY_FILE"] = str(path)
        code, out, err = forked(argv[1:], cwd, full | (env or {}), stdin, server=UNMEASURED)
        return code, out, err.encode()

    def findings(self, vector: Vector) -> list[str]:
        """What does not hold."""
        ways = {
            "roundtrip": self.roundtrip,
            "decrypt": self.decrypts,
            "decrypt-error": self.decrypts,
            "encrypt-error": self.encrypt_error,
            "command": self.command,
        }
        bad: list[str] = []
        with tempfile.TemporaryDirectory() as home:
            ways[vector["kind"]](vector, home, bad)
        return bad


class Difference(NamedTuple):
    """What secrettool knowingly does differently.

    Attributes:
        reason: Why.
        vector: The vector with what secrettool does instead of what sops does.
        instead: Content for files of the index.
    """

    reason: str
    vector: Vector
    instead: dict[str, bytes] | None = None


def _decrypts_but_refuses_to_encrypt(name: str) -> Difference:
    return Difference("D2: an expression that RE2 does not take is refused", {**NAMES[name], "kind": "decrypt"})


DIFFERENCES = {
    "yaml-tab-first-multiline": Difference(
        "D4: sops loses a text of several lines that starts with a tab",
        NAMES["yaml-tab-first-multiline"],
        {"pos/yaml-tab-first-multiline.dec.yaml": b'k: "\\tfirst\\nsecond"\nz: after\n'},
    ),
    "select-encrypted-regex-invalid": _decrypts_but_refuses_to_encrypt("select-encrypted-regex-invalid"),
    "select-encrypted-regex-lookahead": _decrypts_but_refuses_to_encrypt("select-encrypted-regex-lookahead"),
    "json-trailing-garbage": Difference(
        "what follows the object is dropped, the rest keeps its layout",
        {**NAMES["json-trailing-garbage"], "plain": "{}"},
        {"{}": b'{"a":1}'},
    ),
    "reject-list-comment": Difference(
        "D3: what decrypts to a comment is not hashed",
        {
            **NAMES["reject-list-comment"],
            "kind": "decrypt",
            "decrypt": [
                {"argv": ["sops", "decrypt", "file.yaml"], "keys": ["age1"], "exit": 0, "stdout": "pos/accept-list-comment-ignore-mac.dec.yaml"}
            ],
        },
    ),
    "refuse-config-no-match-despite-flag": Difference(
        "D15: keys that are named need no rule",
        {
            "kind": "command",
            "files": {
                "file.yaml": {"text": NAMES["refuse-config-no-match-despite-flag"]["plain_text"]},
                ".sops.yaml": {"text": NAMES["refuse-config-no-match-despite-flag"]["config"]},
            },
            "argv": [*NAMES["refuse-config-no-match-despite-flag"]["argv"], "-i"],
            "expect": {"exit": 0, "after": {"file.yaml": {"decrypts_to": "a: 1\n", "keys": ["age1"]}}},
        },
    ),
    "edit-show-master-keys-loses-change": Difference(
        "D9: the edit is kept",
        {
            **NAMES["edit-show-master-keys-loses-change"],
            "expect": {
                "exit": 0,
                "after": {"f.yaml": {"decrypts_to": "a: uno\nb: 2\nc:\n    - x\n    - z\n", "keys": ["age1"]}},
            },
        },
    ),
}


def test_all_vectors_are_there() -> None:
    assert len(NAMES) == ALL


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DIFFERENCES])
def test_vector_holds(name: str) -> None:
    assert Forked().findings(NAMES[name]) == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference_is_there(name: str) -> None:
    assert Forked().findings(NAMES[name]) != []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference_is_the_known_one(name: str) -> None:
    difference = DIFFERENCES[name]
    assert Forked(difference.instead).findings(difference.vector) == []


@pytest.mark.parametrize("name", ["select-encrypted-regex-invalid", "select-encrypted-regex-lookahead"])
def test_expression_that_does_not_compile_is_refused(name: str, tmp_path: Path) -> None:
    vector = NAMES[name]
    (tmp_path / vector["filename"]).write_bytes((VECTORS / vector["plain"]).read_bytes())
    done = forked(vector["encrypt"]["argv"][1:], tmp_path, environment(tmp_path))
    assert (done.code, done.out) == (8, b"")
