"""Master keys from the texts that people write: recipients, fingerprints, ARNs and URLs, single or in comma lists.

Nothing here needs a key, a network or a backend. Recipients are public, so errors show them; what looks like a private key is not shown.

Source: sops 3.13 age/keysource.go, pgp, kms, gcpkms, hckms, azkv, hcvault (the functions that start with NewMasterKey and MasterKeysFrom).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from secrettool.errors import ConfigError, ExitCode, UsageError
from secrettool.keys import bech32, ssh_key
from secrettool.keys.age_hybrid import PUBLIC_SIZE, RECIPIENT_PREFIX
from secrettool.sops.keygroups import MasterKey

_X25519_SIZE = 32
# Compiled when they are used first: decrypting needs hardly any of them.
_PLUGIN_NAME = r"[A-Za-z0-9+._-]+"
_PRIVATE = r"(?i)AGE-SECRET-KEY-|AGE-PLUGIN-|PRIVATE KEY"
_AZURE_URL = r"(https://[^/]+)/keys/([^/]+)(?:/([^/]*))?"
_VAULT_URI = r"(?s)(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^?#]*)(.*)"
_VAULT_PATH = r"/v[0-9]+/[^/]+/[^/]+/[^/]+"
_VAULT_PREFIXED = "/[^/]+" + _VAULT_PATH
_VAULT_EXAMPLE = "https://vault.example.com:8200/v1/transit/keys/keyName"


def plugin_name(recipient: str) -> str | None:
    """The name of the plugin that a recipient `age1<name>1...` asks for; None for every other recipient."""
    if recipient.startswith("age1pq1") or not recipient.startswith("age1") or recipient.count("1") < 2:
        return None
    return recipient[4 : recipient.rindex("1")]


def _shown(text: str) -> str:
    if re.search(_PRIVATE, text):
        return '"<private key>"'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in escaped) + '"'


def _bech32_problem(recipient: str, prefix: str, size: int) -> str | None:
    try:
        found, data = bech32.decode(recipient)
    except ValueError as error:
        return str(error)
    if found != prefix:
        return f'invalid type "{found}"'
    return None if len(data) == size else "wrong length"


def _plugin_problem(recipient: str, name: str) -> str | None:
    try:
        bech32.decode(recipient)
    except ValueError as error:
        return f"invalid recipient encoding: {error}"
    return None if re.fullmatch(_PLUGIN_NAME, name) else f"invalid plugin name: {_shown(name)}"


def _ssh_problem(recipient: str) -> str | None:
    try:
        ssh_key.parse_public(recipient)
    except ssh_key.SshKeyError as error:
        return str(error)
    return None


def check_recipient(recipient: str) -> str:
    """Check one age recipient.

    Args:
        recipient: `age1...`, `age1pq1...`, `age1<plugin>1...`, `ssh-ed25519 ...` or `ssh-rsa ...`; blanks around it are dropped.

    Returns:
        The recipient as it goes into the metadata; the comment of an SSH key stays.

    Raises:
        ConfigError: It is none of these, or malformed.
    """
    recipient = recipient.strip()
    name = plugin_name(recipient)
    if recipient.startswith("age1pq1"):
        problem, what = _bech32_problem(recipient, RECIPIENT_PREFIX, PUBLIC_SIZE), "Bech32-encoded age public key"
    elif name is not None:
        problem, what = _plugin_problem(recipient, name), "age key from age plugin"
    elif recipient.startswith("age1"):
        problem, what = _bech32_problem(recipient, "age", _X25519_SIZE), "Bech32-encoded age public key"
    elif recipient.startswith("ssh-"):
        problem, what = _ssh_problem(recipient), "age-ssh public key"
    else:
        private = re.search(_PRIVATE, recipient)
        raise ConfigError(
            f"failed to parse input, unknown recipient type: {_shown(recipient)}",
            hint="this is a private key: give its public key, and keep the private one out of command lines" if private else None,
        )
    if problem:
        raise ConfigError(f"failed to parse input as {what}: malformed recipient {_shown(recipient)}: {problem}")
    return recipient


def age_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of age recipients; none for an empty text.

    Raises:
        ConfigError: A recipient is malformed, or a part of the list is empty.
    """
    parts = text.split(",") if text else []
    return tuple(MasterKey("age", {"recipient": check_recipient(part)}) for part in parts)


def pgp_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of PGP fingerprints; blanks in them are dropped, a trailing `!` stays."""
    parts = text.split(",") if text else []
    return tuple(MasterKey("pgp", {"fp": part.replace(" ", "")}) for part in parts)


def encryption_context(text: str) -> dict[str, str]:
    """Read the KMS encryption context `key:value,key:value`; nothing for an empty text.

    Raises:
        UsageError: 6 when a pair is malformed.
    """
    pairs = [pair.split(":") for pair in text.split(",")] if text else []
    if any(len(pair) != 2 for pair in pairs):
        raise UsageError(
            "Invalid KMS encryption context format",
            code=ExitCode.KMS_CONTEXT,
            hint="write it as key:value,key:value",
        )
    return {pair[0]: pair[1] for pair in pairs}


def kms_key(arn: str, role: str = "", context: Mapping[str, str] | None = None, profile: str = "") -> MasterKey:
    """One AWS KMS master key.

    Args:
        arn: ARN of the key.
        role: ARN of the role to assume, or empty.
        context: Encryption context.
        profile: Name of the AWS profile, or empty.
    """
    fields: dict[str, str | Mapping[str, str]] = {"arn": arn, "aws_profile": profile}
    if context:
        fields["context"] = dict(context)
    if role:
        fields["role"] = role
    return MasterKey("kms", fields)


def kms_keys(text: str, context: Mapping[str, str] | None = None, profile: str = "") -> tuple[MasterKey, ...]:
    """Master keys for a comma list of AWS KMS ARNs, each with `+` and the ARN of a role if one is to be assumed."""
    keys: list[MasterKey] = []
    for part in text.replace(" ", "").split(",") if text else []:
        cut = part.find("+arn:")
        arn, role = (part[:cut], part[cut + 1 :]) if cut > 0 else (part, "")
        keys.append(kms_key(arn, role, context, profile))
    return tuple(keys)


def gcp_kms_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of Google Cloud KMS resource names; blanks in them are dropped."""
    parts = text.split(",") if text else []
    return tuple(MasterKey("gcp_kms", {"resource_id": part.replace(" ", "")}) for part in parts)


def hckms_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of Huawei Cloud KMS keys, `region:uuid`; empty parts are skipped.

    Raises:
        ConfigError: Region or key is missing.
    """
    keys: list[MasterKey] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        region, colon, uuid = part.partition(":")
        if not colon:
            raise ConfigError(f"invalid key ID format: expected 'region:key-uuid', got {_shown(part)}")
        if not region.strip():
            raise ConfigError(f"region cannot be empty in key ID: {_shown(part)}")
        if not uuid.strip():
            raise ConfigError(f"key UUID cannot be empty in key ID: {_shown(part)}")
        keys.append(MasterKey("hckms", {"key_id": part}))
    return tuple(keys)


def azure_kv_key(vault_url: str, name: str, version: str = "") -> MasterKey:
    """One Azure Key Vault master key; an empty version means the newest when the data key is sealed."""
    return MasterKey("azure_kv", {"name": name, "vault_url": vault_url, "version": version})


def azure_kv_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of Azure Key Vault URLs, `https://vault/keys/name[/version]`.

    Raises:
        ConfigError: A URL has another form.
    """
    keys: list[MasterKey] = []
    for part in text.split(",") if text else []:
        match = re.fullmatch(_AZURE_URL, part.strip())
        if match is None:
            raise ConfigError(f"could not parse {_shown(part.strip())} into a valid Azure Key Vault MasterKey")
        keys.append(azure_kv_key(match[1], match[2], match[3] or ""))
    return tuple(keys)


def _vault_key(uri: str) -> MasterKey:
    match = re.fullmatch(_VAULT_URI, uri)
    if match is None or not match[1]:
        raise ConfigError(f"missing scheme in Vault URL (should be like this: {_VAULT_EXAMPLE}), got: {_shown(uri)}")
    path = match[3]
    if re.search(_VAULT_PREFIXED, path):
        raise ConfigError(f"running Vault with a prefixed URL is not supported! (Format has to be like {_VAULT_EXAMPLE})")
    if match[4] or not re.search(_VAULT_PATH, path):
        raise ConfigError(f"vault path does not seem to be formatted correctly: (eg. {_VAULT_EXAMPLE})")
    steps = path.strip("/").split("/")
    engine = "/".join(step for step in steps[1:-2] if step)
    return MasterKey("hc_vault", {"engine_path": engine, "key_name": steps[-1], "vault_address": f"{match[1].lower()}://{match[2]}"})


def hc_vault_keys(text: str) -> tuple[MasterKey, ...]:
    """Master keys for a comma list of Vault transit URIs, `scheme://host/v1/<engine>/keys/<name>`; empty parts are skipped.

    Raises:
        ConfigError: A URI has no scheme or another form.
    """
    return tuple(_vault_key(part.strip()) for part in text.split(",") if part.strip())
