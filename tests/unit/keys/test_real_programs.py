"""The real `age` and `sops` open what we seal, and the other way round."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from secrettool.keys import LocalKeyring
from secrettool.sops.keygroups import MasterKey
from tests.interop.peers import AgePrograms

pytestmark = pytest.mark.real

VECTORS = Path(__file__).parents[2] / "vectors"
PART = bytes(range(32))
NAMES = ["age1", "pq", "ssh_ed25519", "ssh_rsa"]
MakeKeyring = Callable[..., LocalKeyring]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture
def identity_file(name: str, tmp_path: Path) -> Path:
    path = tmp_path / "identity"
    path.write_bytes((VECTORS / "keys" / (name if name.startswith("ssh") else f"{name}.txt")).read_bytes())
    path.chmod(0o600)
    return path


@pytest.fixture
def variables(name: str, identity_file: Path) -> dict[str, str]:
    return {"SOPS_AGE_SSH_PRIVATE_KEY_FILE" if name.startswith("ssh") else "SOPS_AGE_KEY_FILE": str(identity_file)}


def test_age_opens_what_we_seal(make_keyring: MakeKeyring, real_age: AgePrograms, public: Mapping[str, str], name: str, identity_file: Path) -> None:
    enc = make_keyring().wrap(MasterKey("age", {"recipient": public[name]}), PART).enc
    done = subprocess.run([real_age.age, "-d", "-i", str(identity_file)], input=enc.encode(), capture_output=True, check=True)
    assert done.stdout == PART


def test_we_open_what_age_seals(make_keyring: MakeKeyring, real_age: AgePrograms, public: Mapping[str, str], name: str, variables: dict[str, str]) -> None:
    done = subprocess.run([real_age.age, "-a", "-r", public[name]], input=PART, capture_output=True, check=True)
    assert make_keyring(**variables).unwrap(MasterKey("age", {"recipient": public[name]}, done.stdout.decode())) == PART


def test_sops_and_we_open_each_other(
    make_keyring: MakeKeyring, real_sops: Path, public: Mapping[str, str], name: str, variables: dict[str, str], tmp_path: Path
) -> None:
    keyring = make_keyring(**variables)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
    path = tmp_path / "file.json"
    path.write_text('{"a": "b"}')
    subprocess.run([real_sops, "encrypt", "-i", "--age", public[name], str(path)], env=environ, cwd=tmp_path, check=True)
    document = json.loads(path.read_text())
    (entry,) = document["sops"]["age"]
    key = MasterKey("age", {"recipient": entry["recipient"]}, entry["enc"])
    entry["enc"] = keyring.wrap(key, keyring.unwrap(key)).enc
    path.write_text(json.dumps(document))
    done = subprocess.run([real_sops, "decrypt", str(path)], env=environ, cwd=tmp_path, check=True, capture_output=True)
    assert json.loads(done.stdout) == {"a": "b"}
