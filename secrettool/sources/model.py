"""Sources and providers, as a map describes them; names are the map's, in Python's spelling.

Nothing here fetches anything. Relative paths are relative to the root that the resolver is given.

Source: PT-04, PT-05 and section 3 of the patcher's requirements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

Trim: TypeAlias = Literal["none", "newline", "space"]
"""`newline`: one line break at the end goes; `space`: all white space around it."""
Encoding: TypeAlias = Literal["text", "base64", "hex"]
"""How the bytes are written where they come from; `text` takes them as they are."""
KvVersion: TypeAlias = Literal["auto", 1, 2]
Parse: TypeAlias = Literal["text", "json", "yaml"]
Method: TypeAlias = Literal["token", "approle", "kubernetes", "jwt"]
Generator: TypeAlias = Literal["hex", "base64", "base64url", "alnum", "uuid", "age"]

DEFAULT_MOUNT = "secret"
POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 (a path)
TIMEOUT = 30.0
"""Seconds for one request to a provider, and for one program."""

# ---- providers -----------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VaultAuth:
    """How to log in.

    Attributes:
        method: What is shown to Vault.
        mount: Where the method is mounted; its name when None.
        role: For `kubernetes` and `jwt`.
        role_id: For `approle`.
        namespace: Of the login, when it is another than that of the secrets.
        token_env: Variable with the token; `VAULT_TOKEN` or `BAO_TOKEN` when neither it nor `token_file` is given.
        token_file: File with the token.
        secret_id_env: Variable with the secret id; without it and `secret_id_file` none is sent.
        secret_id_file: File with the secret id.
        wrapped: Whether what is found there is a wrapping token for the secret id, good for one use.
        jwt_file: File with the token to show; for `kubernetes` that of the pod when None.
        jwt_env: Variable with the token to show.
        github_audience: Audience of a token to ask GitHub Actions for; None when `jwt_file` or `jwt_env` has it.
    """

    method: Method = "token"
    mount: str | None = None
    role: str | None = None
    role_id: str | None = None
    namespace: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    secret_id_env: str | None = None
    secret_id_file: str | None = None
    wrapped: bool = False
    jwt_file: str | None = None
    jwt_env: str | None = None
    github_audience: str | None = None


@dataclass(frozen=True, slots=True)
class VaultProvider:
    """A Vault or OpenBao with KV engines. What is None comes from `VAULT_ADDR`, `VAULT_NAMESPACE` and `VAULT_CACERT`, or `BAO_...`.

    Attributes:
        address: URL.
        namespace: Of the secrets.
        mount: Of the engine, for sources that name none.
        kv_version: Of the engines; `auto` asks.
        ca_file: File with the certificates to trust instead of the public ones.
        ca_pem: The same as text; wins over `ca_file`.
        tls_server_name: Name that its certificate must have, when it is not the one in the address.
        timeout: Seconds for one request.
        auth: How to log in.
    """

    address: str | None = None
    namespace: str | None = None
    mount: str = DEFAULT_MOUNT
    kv_version: KvVersion = "auto"
    ca_file: str | None = None
    ca_pem: str | None = None
    tls_server_name: str | None = None
    timeout: float = TIMEOUT
    auth: VaultAuth = VaultAuth()


@dataclass(frozen=True, slots=True)
class ExecProvider:
    """A program that prints values.

    Attributes:
        command: Program and arguments; `{name}` in them stands for an argument of the source. No shell reads it.
        env: Variables that it gets besides `PATH` and `HOME`.
        cwd: Where it runs; the root when None.
        parse: What it prints.
        pointer: JSON pointer into that; for `json` and `yaml` only.
        timeout: Seconds until it is killed.
    """

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str | None = None
    parse: Parse = "text"
    pointer: str | None = None
    timeout: float = TIMEOUT


Provider: TypeAlias = VaultProvider | ExecProvider

# ---- sources -------------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """What is made of the thing that a source gave, in this order.

    Attributes:
        pointer: JSON pointer into it; text is read as JSON or YAML for that.
        trim: What goes from its ends; None is `newline` for whole files and whole texts that programs print, `none` for everything else.
        encoding: How the bytes are written in it.
        allow_empty: Whether empty text is a value; it counts as missing otherwise.
    """

    pointer: str | None = None
    trim: Trim | None = None
    encoding: Encoding = "text"
    allow_empty: bool = False


PLAIN = Form()


@dataclass(frozen=True, slots=True)
class EnvSource:
    """`env`: a variable."""

    name: str
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class FileSource:
    """`file`: the content of a file."""

    path: str
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class SopsSource:
    """`sops`: a value of an encrypted file, at the pointer of its form; the whole plain text without one."""

    path: str
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """`provider`: what a provider knows under some name.

    Attributes:
        provider: Its name in the map.
        path: Vault: of the secret, below its mount.
        key: Vault: which of the secret's values; None for all of them as JSON, of which the form's pointer takes one.
        version: Vault, KV version 2: which version; the newest when None.
        mount: Vault: of the engine; the provider's when None.
        args: Program: what stands for each `{name}` of its command.
    """

    provider: str
    path: str | None = None
    key: str | None = None
    version: int | None = None
    mount: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class RefSource:
    """`ref`: another source written as a URL, such as `ref+vault://kv/proxmox#/host`."""

    url: str
    form: Form = PLAIN


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a generated value is kept: a key of a secret in an engine KV version 2."""

    provider: str
    path: str
    key: str
    mount: str | None = None


@dataclass(frozen=True, slots=True)
class GenerateSource:
    """`generate`: a new random value.

    Attributes:
        type: What it looks like; `age` is a private key with its public key in a comment, as age-keygen prints it.
        size: `bytes` of the map: random bytes that `hex`, `base64` and `base64url` write, and characters of `alnum`; the others have a fixed size.
        store: Where it is read from when it is there, and written to when it is not.
    """

    type: Generator
    size: int = 32
    store: StorePlace | None = None


Source: TypeAlias = EnvSource | FileSource | SopsSource | ProviderSource | RefSource | GenerateSource


def described(source: Source) -> str:
    """Where a value comes from, for messages."""
    match source:
        case EnvSource(name):
            return f"env {name}"
        case FileSource(path):
            return f"file {path}"
        case SopsSource(path, form):
            return f"sops {path}" + (f"#{form.pointer}" if form.pointer else "")
        case ProviderSource():
            path = f" {source.path}" if source.path else ""
            return f"provider {source.provider}{path}" + (f"#{source.key}" if source.key else "")
        case RefSource(url):
            return url
        case GenerateSource():
            return f"generate {source.type}"
    assert_never(source)
