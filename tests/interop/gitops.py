"""What the tests with a cluster share: a key, files encrypted by secrettool, and objects as they can be compared."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import secrettool
from secrettool.sops.selection import Selector
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.flux import OWN_PREFIX

ROOT = Path(__file__).parent.parent.parent
KEY_FILE = ROOT / "tests" / "vectors" / "keys" / "age1.txt"
RECIPIENT = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
DECRYPTION = "sops-age"
"""The Secret with the key, for `spec.decryption`."""
SECRET_FIELDS = Selector("encrypted_regex", "^(data|stringData)$")


def give_key(api: ApiServer, namespace: str, identity: Path = KEY_FILE) -> str:
    """Put an age identity into a namespace, where a Kustomization finds it, and return the Secret's name."""
    head = {"name": DECRYPTION, "namespace": namespace}
    api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"test.agekey": identity.read_text(encoding="utf-8")}})
    return DECRYPTION


def sealed(manifest: str) -> str:
    """A Secret's manifest, encrypted by secrettool so that only its values are hidden."""
    text = secrettool.encrypt(manifest, "yaml", recipients=[RECIPIENT], selector=SECRET_FIELDS)
    assert isinstance(text, str)
    return text


def opened(manifest: str) -> str:
    """What secrettool decrypts."""
    text = secrettool.decrypt(manifest, "yaml", runtime=secrettool.local_runtime({"SOPS_AGE_KEY_FILE": str(KEY_FILE)}))
    assert isinstance(text, str)
    return text


def command(folder: Path, *arguments: str, identity: Path = KEY_FILE) -> None:
    """Run `secrettool` in a folder, as a user does.

    Raises:
        AssertionError: It failed; the text is what it said.
    """
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "SOPS_AGE_KEY_FILE": str(identity)}
    done = subprocess.run([sys.executable, "-m", "secrettool", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def write_tree(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files under a folder, by their paths in it, and return the folder."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def values(secret: Json) -> dict[str, bytes]:
    """The decoded data of a Secret."""
    return {key: base64.b64decode(value, validate=True) for key, value in secret.get("data", {}).items()}


def payload(found: Json) -> Json:
    """A Secret without what the server and Flux put there: name, type, data, and labels and annotations of the manifest."""
    head = found["metadata"]
    notes = {part: {key: text for key, text in head.get(part, {}).items() if not key.startswith(OWN_PREFIX)} for part in ("labels", "annotations")}
    body = {key: value for key, value in found.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"name": head["name"], **notes, **body}
