"""The PGP backend: the `gpg` program, so that private keys, cards and passphrase prompts stay with gpg-agent.

The data key goes through pipes only. Old keyring files, which the reference reads by itself, are gpg's business.

Source: sops 3.13 pgp/keysource.go; GnuPG doc/DETAILS (status lines).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from secrettool.sops.keygroups import KeyFailure, MasterKey

if TYPE_CHECKING:
    from secrettool.keys import Surroundings

PROGRAM_VARIABLE = "SOPS_GPG_EXEC"

_STATUS = "[GNUPG:] "
_LONG_ID_SIZE = 16
_MAX_TEXT = 300
_INVALID_RECIPIENT = {
    "1": "it is not in the keyring",
    "2": "it is ambiguous",
    "3": "it may not be used for encryption",
    "4": "it is revoked",
    "5": "it is expired",
    "10": "it is not trusted",
    "13": "it is disabled",
}


def _long_id(fingerprint: str) -> str:
    """The last 16 digits, with the `!` that pins a subkey."""
    size = _LONG_ID_SIZE + fingerprint.endswith("!")
    return fingerprint[-size:]


class PgpBackend:
    """Wraps and unwraps for master keys of kind `pgp`."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._environ = surroundings.environ
        self._now = surroundings.now

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring.wrap`."""
        fingerprint = key.text
        if not fingerprint.strip("!"):
            raise KeyFailure(["failed to encrypt sops data key with pgp: the fingerprint is empty"])
        arguments = ["--batch", "--no-default-recipient", "--yes", "--encrypt", "-a", "-r", fingerprint]
        arguments += ["--trusted-key", _long_id(fingerprint), "--no-encrypt-to"]
        sealed = _run(self._environ, arguments, part, "encrypt")
        return MasterKey(key.kind, key.fields, sealed.decode("ascii", "replace").strip(), self._now())

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring.unwrap`."""
        # Without --batch, so that a gpg set to ask by itself (pinentry-mode loopback) still can.
        plain = _run(self._environ, ["--decrypt"], key.enc.encode(), "decrypt")
        if not plain:
            raise KeyFailure(
                ["failed to decrypt sops data key with pgp: zero bytes returned"],
                hint="the entry may use a cipher that this version of gpg does not know",
            )
        return plain


def open_backend(surroundings: Surroundings) -> PgpBackend:
    """The backend; no program is started yet."""
    return PgpBackend(surroundings)


def _run(environ: Mapping[str, str], arguments: list[str], data: bytes, verb: str) -> bytes:
    import subprocess

    program = environ.get(PROGRAM_VARIABLE) or "gpg"
    what = f"failed to {verb} sops data key with pgp"
    try:
        done = subprocess.run([program, "--status-fd", "2", *arguments], input=data, capture_output=True, env=environ, check=False)
    except FileNotFoundError:
        raise KeyFailure([f"{what}: the program {program} is not there"], hint=f"install GnuPG, or name the program in {PROGRAM_VARIABLE}") from None
    except (OSError, ValueError) as error:
        raise KeyFailure([f"{what}: the program {program} cannot be started: {getattr(error, 'strerror', None) or 'bad name'}"]) from None
    if done.returncode:
        raise _failure(what, done.returncode, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def _failure(what: str, status: int, stderr: str) -> KeyFailure:
    """The reason from gpg's status lines; its messages for people only where those say nothing known."""
    lines = stderr.splitlines()
    words = [line.removeprefix(_STATUS).split() for line in lines if line.startswith(_STATUS)]
    found = {line[0]: line[1:] for line in words if line}
    if "INV_RECP" in found:
        code = (found["INV_RECP"] or ["0"])[0]
        reason = _INVALID_RECIPIENT.get(code, f"gpg refused the key (reason {code})")
        return KeyFailure([f"{what}: {reason}"], hint="import the public key with gpg --import, or look at it with gpg --list-keys")
    if "NODATA" in found or "BADARMOR" in found:
        return KeyFailure([f"{what}: the PGP message of this entry is damaged"], hint="restore the file from version control")
    missing = [line[1] for line in words if len(line) > 1 and line[0] == "NO_SECKEY"]
    if missing:
        return KeyFailure([f"{what}: no secret key for {', '.join(missing)}"], hint="import the private key with gpg --import, or set GNUPGHOME")
    said = "; ".join(line.strip() for line in lines if line.strip() and not line.startswith(_STATUS))
    return KeyFailure([f"{what}: gpg exited with status {status}{f': {said[:_MAX_TEXT]}' if said else ''}"])
