"""A repository, a cluster and a Vault in which every value has a mark that is nowhere else, and a map that fails in every way."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

import secrettool
from tests.interop.gitops import KEY_FILE, RECIPIENT, ROOT, SECRET_FIELDS, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.vault import READER, Vault
from tests.interop.peers.watching import Watched, needles, watched

WRITER: Final = "leaks-orchard"
"""Policy of Vault: read and write what lies under `orchard/`."""


def mark(name: str) -> str:
    """A value that is nowhere else."""
    return f"mark-{name}-{secrets.token_hex(12)}"


class Marks(NamedTuple):
    """All values: of sources, of the cluster, of git, and what lets into Vault."""

    env: str
    odd: str
    file: str
    sops: str
    exec: str
    vault: str
    live: str
    applied: str
    git: str
    stdin: str
    token: str

    @property
    def needles(self) -> frozenset[bytes]:
        return needles(*self)


TARGETS: Mapping[str, Json] = {
    "whole": {
        "keys": {
            "env": "env",
            "odd": "odd",
            "file": "file",
            "sops": "sops",
            "exec": "exec",
            "vault": "vault",
            "template": {"template": "postgres://u:{{ env | urlencode }}@db/{{ odd | b64encode }}"},
            "json": {"json": {"password": "{{ vault }}", "list": ["{{ odd }}"]}},
            "config.json": {"fill": {"/auth/token": "{{ exec }}"}},
            "old": {"absent": True},
        }
    },
    "after": {"keys": {"env": {"template": "{{ odd | after('nowhere') }}"}}},
    "decode": {"keys": {"env": {"template": "{{ odd | b64decode }}"}}},
    "pointer": {"keys": {"env": {"template": "{{ odd | pointer('/x') }}"}}},
    "unparsed": {"keys": {"broken": {"fill": {"/a": "{{ env }}"}}}},
    "unset": {"keys": {"env": "unset"}},
    "exec-fails": {"keys": {"env": "fails"}},
    "exec-waits": {"keys": {"env": "waits"}},
    "no-json": {"keys": {"env": "nojson"}},
    "vault-key": {"keys": {"env": "nokey"}},
    "vault-forbidden": {"keys": {"env": "closed"}},
}
"""Targets on the Secret `filled`, by their ids."""
FAILING = [name for name in TARGETS if name != "whole"]


class Ground:
    """A repository, a cluster and a Vault full of marks.

    Attributes:
        marks: The values.
        folder: The repository, where programs run.
        namespace: The namespace that may be patched.
        forbidden: One that may not.
        issuer: Name of the ClusterIssuer.
        environ: Of the program.
    """

    def __init__(self, api: ApiServer, vault: Vault, folder: Path) -> None:
        self.api = api
        self.vault = vault
        self.folder = folder / "repository"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.runner = folder / "runner"
        for place in (self.home, self.temporary, self.runner):
            place.mkdir(parents=True)
        vault.api("PUT", f"sys/policies/acl/{WRITER}", {"policy": 'path "secret/data/orchard/*" { capabilities = ["create", "read", "update"] }'})
        names = [name for name in Marks._fields if name not in ("odd", "token")]
        odd = f'{mark("odd")}"q\\u{{}}\n{mark("second")}\t::error::x\n'
        self.marks = Marks(**{name: mark(name) for name in names}, odd=odd, token=vault.token(WRITER, READER))
        self.namespace, self.forbidden = api.namespace(), api.namespace()
        self.issuer = f"issuer-{secrets.token_hex(4)}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "SOPS_AGE_KEY_FILE": str(KEY_FILE),
            "LEAK_ENV": self.marks.env,
            "LEAK_ODD": self.marks.odd,
            "VAULT_TOKEN": self.marks.token,
        }
        self._write_vault()
        self._write_repository()
        self._make_objects()

    def _write_vault(self) -> None:
        self.path = f"orchard/{secrets.token_hex(4)}"
        self.vault.write_v2(self.path, {"value": self.marks.vault, "cookie": self.marks.live})

    def _write_repository(self) -> None:
        marks = self.marks
        manifest: Json = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "filled", "namespace": self.namespace},
            "stringData": {"env": "REPLACE_ME", "beside": marks.git, "config.json": f'{{"auth": {{"token": "REPLACE_ME", "key": "{marks.git}"}}}}'},
        }
        sealed = secrettool.encrypt(
            yaml.safe_dump({"kind": "Secret", "stringData": {"password": marks.sops}}), "yaml", recipients=[RECIPIENT], selector=SECRET_FIELDS
        )
        assert isinstance(sealed, str)
        write_tree(
            self.folder,
            {
                "git/secret.yaml": yaml.safe_dump(manifest),
                "backup.enc.yaml": sealed,
                "value.txt": marks.file + "\n",
                "printed.txt": marks.exec,
                "prints.sh": "#!/bin/sh\nexec cat printed.txt\n",
                "fails.sh": "#!/bin/sh\ncat printed.txt\ncat printed.txt >&2\nexit 3\n",
                "waits.sh": "#!/bin/sh\ncat printed.txt\nexec sleep 30\n",
                "verify.sh": "#!/bin/sh\nenv >&2\nexit 1\n",
                "patch.yaml": yaml.safe_dump(self._map()),
                "rotate-good.yaml": yaml.safe_dump(self._rotation()),
                "rotate-bad.yaml": yaml.safe_dump(self._rotation(verify={"command": ["./verify.sh"]})),
            },
        )
        for name in ("prints.sh", "fails.sh", "waits.sh", "verify.sh"):
            (self.folder / name).chmod(0o755)
        (self.folder / "value.txt").chmod(0o600)

    def _map(self) -> Json:
        programs = {name: {"type": "exec", "command": [f"./{name}.sh"], "timeoutSeconds": 1} for name in ("prints", "fails", "waits")}
        ref = {"kind": "Secret", "namespace": self.namespace, "name": "filled"}
        others = [
            {"id": "forbidden", "ref": {**ref, "namespace": self.forbidden}, "keys": {"env": "env"}},
            {"id": "immutable", "ref": {**ref, "name": "immutable"}, "keys": {"env": "env"}},
            {
                "id": "issuer",
                "ref": {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "name": self.issuer},
                "fields": {"/spec/acme/privateKeySecretRef": "odd"},
            },
        ]
        return {
            "apiVersion": "secrettool.dev/v1alpha1",
            "kind": "PatchMap",
            "providers": {"kv": {"type": "vault", "address": self.vault.url, "mount": "secret", "auth": {"method": "token"}}}
            | {**programs, "json": {"type": "exec", "command": ["./prints.sh"], "parse": "json", "pointer": "/a"}},
            "values": {
                "env": {"env": "LEAK_ENV"},
                "odd": {"env": "LEAK_ODD"},
                "unset": {"env": "LEAK_UNSET"},
                "file": {"file": "value.txt"},
                "sops": {"sops": "backup.enc.yaml", "pointer": "/stringData/password"},
                "exec": {"provider": "prints"},
                "fails": {"provider": "fails"},
                "waits": {"provider": "waits"},
                "nojson": {"provider": "json"},
                "vault": {"provider": "kv", "path": self.path, "key": "value"},
                "nokey": {"provider": "kv", "path": self.path, "key": "nothing"},
                "closed": {"provider": "kv", "path": "elsewhere/closed", "key": "value"},
            },
            "targets": [{"id": name, "ref": ref, **target} for name, target in TARGETS.items()] + others,
        }

    def _rotation(self, **more: Any) -> Json:
        store = {"provider": "kv", "path": self.path, "key": "cookie"}
        return {
            "apiVersion": "secrettool.dev/v1alpha1",
            "kind": "PatchMap",
            "providers": {"kv": {"type": "vault", "address": self.vault.url, "mount": "secret", "auth": {"method": "token"}}},
            "values": {"cookie": {"generate": {"type": "hex", "bytes": 32}, "store": store}},
            "targets": [{"id": "t", "ref": {"kind": "Secret", "namespace": self.namespace, "name": "rotated"}, "keys": {"cookie": "cookie"}, **more}],
        }

    def _make_objects(self) -> None:
        api = self.api
        account = api.account(
            self.namespace,
            [Rule(["get", "patch", "create"], ["secrets"])],
            cluster_rules=[Rule(["get", "patch"], ["clusterissuers"], ["cert-manager.io"], [self.issuer]), Rule(["get"], ["namespaces"])],
        )
        self.environ["KUBECONFIG"] = str(api.kubeconfig(self.home / "kubeconfig", account.token))
        self.restore()
        head = {"name": "filled", "namespace": self.forbidden}
        api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"env": self.marks.live}})
        solver = {"acme": {"server": "https://acme.example", "privateKeySecretRef": {"name": self.marks.live}}}
        api.admin.apply({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": self.issuer}, "spec": solver})
        head = {"name": "immutable", "namespace": self.namespace}
        api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": head, "immutable": True, "stringData": {"env": self.marks.live}})

    def restore(self) -> None:
        """The Secrets as they are before a run."""
        last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "Secret", "stringData": {"env": self.marks.applied}})}
        for name, keys in (("filled", ("env", "live", "old", "broken")), ("rotated", ("cookie",))):
            metadata = {"name": name, "namespace": self.namespace, "annotations": last}
            data = dict.fromkeys(keys, self.marks.live) | {"config.json": f'{{"auth": {{"token": "REPLACE_ME", "key": "{self.marks.live}"}}}}'}
            data |= {"broken": f"{{{self.marks.live}: [", "env": "REPLACE_ME"} if name == "filled" else {}
            self.api.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}, force=True)

    def run(self, *words: str, stdin: str = "", environ: Mapping[str, str] | None = None, **more: Any) -> Watched:
        """Run secrettool and watch it; the map is `patch.yaml`."""
        return watched(
            [sys.executable, "-m", "secrettool", *words],
            self.folder,
            {**self.environ, **(environ or {})},
            stdin=stdin,
            temporary=self.temporary,
            after=[self.runner, self.home],
            **more,
        )

    def patch(self, *words: str, command: str = "run", **more: Any) -> Watched:
        """Run a command of `patch` that has a map and manifests."""
        return self.run("--verbose", "patch", command, "--map", "patch.yaml", "--manifests", "git", *words, **more)

    def kubeconfig_for(self, server: str) -> dict[str, str]:
        """The environment for another server in the place of the real one."""
        cluster = {"name": "c", "cluster": {"server": server}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        content = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context]}
        file = self.home / "other.kubeconfig"
        file.write_text(yaml.safe_dump(content | {"users": [{"name": "u", "user": {"token": "t"}}]}))
        file.chmod(0o600)
        return {"KUBECONFIG": str(file)}
