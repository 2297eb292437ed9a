"""The one hierarchy of errors, with the exit codes of the command line.

    SecrettoolError                     1
    ├── InputError                      2    a file that cannot be read, or plain text that cannot be parsed
    ├── OutputError                     3    a file that cannot be written
    ├── FormatError                     1    text that its store cannot parse (2 when it is plain text to encrypt)
    ├── EmitError                       4    a tree that the output store cannot express
    ├── MetadataError                   1    a `sops` section that cannot be used
    │   └── MetadataNotFound            1    no `sops` section at all
    ├── ConfigError                     1    `.sops.yaml`, recipients, creation rules
    ├── UsageError                      1    arguments that make no sense; subclasses carry sops' own numbers
    ├── TreeEncryptError                23   a tree that cannot be encrypted
    ├── TreeDecryptError                25   a value that does not open
    ├── MacError                        51   the file was changed after it was encrypted
    ├── DataKeyError                    128  no master key gave up the data key
    ├── AlreadyEncryptedError           203  the reserved key is there
    ├── HookError                       7    a file or object that cannot be decrypted for the cluster; carries a rule such as HK112
    │   ├── KeyUnavailable              7    no key of the cluster opens it, or the keys themselves are broken
    │   ├── IntegrityError              7    the MAC of a file does not fit
    │   ├── UnsafePath                  7    a path that leaves its root, or names no regular file
    │   └── GuardError                  5    something that must not reach the cluster
    ├── ClusterError                    8    the API server refused, or cannot be reached
    └── SourceError                     3    a value that its source does not give; carries a rule such as VL01 (7 when it does not decrypt)
        └── ProviderLoginError          4    no login at a provider, so none of its values

Texts name the file, the place in it and the cause; they never hold a leaf value, a key, or a digest of one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the file commands: the numbers of sops (cmd/sops/codes)."""

    OK = 0
    GENERIC = 1
    INPUT_UNREADABLE = 2
    OUTPUT_UNWRITABLE = 3
    DUMPING_TREE = 4
    KMS_CONTEXT = 6
    INVALID_SET_FORMAT = 7
    CONFLICTING_PARAMETERS = 8
    ENCRYPTING_TREE = 23
    DECRYPTING_TREE = 25
    CHANGE_KEYS_OF_MISSING_FILE = 49
    MAC_MISMATCH = 51
    INVALID_TREE_PATH = 91
    NEED_A_DOCUMENT = 92
    NO_FILE_SPECIFIED = 100
    DUPLICATE_DECRYPTION_KEY_TYPE = 112
    DATA_KEY_UNAVAILABLE = 128
    NOT_MODIFIED = 200
    NO_EDITOR = 201
    ALREADY_ENCRYPTED = 203


class Outcome(IntEnum):
    """Exit codes of the commands that work on a cluster or for one: hook, krm, cmp, patch, check, sidecar."""

    DONE = 0
    UNEXPECTED = 1
    CONFIGURATION = 2
    SOME_FAILED = 3
    NO_LOGIN = 4
    REFUSED = 5
    CHANGES = 6
    DECRYPTION = 7
    CLUSTER = 8


class SecrettoolError(Exception):
    """A failure that a user can act on.

    Args:
        message: The cause, lower case, without a full stop, without any value of the file.
        hint: What to try next, one sentence; None when there is nothing to say.
        where: The place inside the file: a key path, or `line 3, column 5`.
        code: Exit code when it is not the one of the class.

    `file` is filled in by whoever knows the name of the file, which the format layer does not.
    """

    exit_code: ClassVar[ExitCode | Outcome] = ExitCode.GENERIC

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None, code: ExitCode | Outcome | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.file: str | None = None
        self.code: ExitCode | Outcome = code if code is not None else self.exit_code

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.where, self.message) if part)


class InputError(SecrettoolError):
    """A file cannot be read."""

    exit_code = ExitCode.INPUT_UNREADABLE


class OutputError(SecrettoolError):
    """A file cannot be written."""

    exit_code = ExitCode.OUTPUT_UNWRITABLE


class FormatError(SecrettoolError):
    """Text that its store cannot parse; `where` names line and column."""


class EmitError(SecrettoolError):
    """A tree that the output store cannot express."""

    exit_code = ExitCode.DUMPING_TREE


class MetadataError(SecrettoolError):
    """The `sops` section is damaged or incomplete."""


class MetadataNotFound(MetadataError):
    """There is no `sops` section: the file is not encrypted."""


class ConfigError(SecrettoolError):
    """`.sops.yaml`, its rules or the keys given cannot be used."""


class UsageError(SecrettoolError):
    """Arguments that do not fit together; `code` says which of sops' numbers applies."""


class TreePathError(SecrettoolError):
    """A path into the tree is malformed or leads nowhere."""


class TreeEncryptError(SecrettoolError):
    """The tree holds something that cannot be encrypted."""

    exit_code = ExitCode.ENCRYPTING_TREE


class TreeDecryptError(SecrettoolError):
    """A value of the tree does not open."""

    exit_code = ExitCode.DECRYPTING_TREE


class NotSealedError(TreeDecryptError):
    """A value that should be an envelope is none."""


class MacError(SecrettoolError):
    """The MAC is missing or does not fit the values: the file was changed after encryption."""

    exit_code = ExitCode.MAC_MISMATCH


class DataKeyError(SecrettoolError):
    """No master key, or not enough of them, gave up the data key."""

    exit_code = ExitCode.DATA_KEY_UNAVAILABLE


class AlreadyEncryptedError(SecrettoolError):
    """Plain text that already has the reserved top-level key."""

    exit_code = ExitCode.ALREADY_ENCRYPTED


class HookError(SecrettoolError):
    """A file or an object cannot be decrypted for the cluster.

    Args:
        rule: Its code, such as `HK112`; the table is in the reference of the hook.
        message: The cause, as for every error; never a value, never the text of a foreign exception that may quote its input.
        subject: The file (relative to its root) or the object (`Secret/namespace/name`).
        key: The entry of the object, or the place in the file.
        hint: What to try.
    """

    exit_code = Outcome.DECRYPTION

    def __init__(self, rule: str, message: str, *, subject: str | None = None, key: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, where=key)
        self.rule = rule
        self.file = subject

    def __str__(self) -> str:
        return f"{self.rule} {super().__str__()}"


class KeyUnavailable(HookError):
    """No key opens it, or the keys themselves are broken."""


class IntegrityError(HookError):
    """The MAC of a file is missing or does not fit."""


class UnsafePath(HookError):
    """A path that leaves its root, goes in circles, or names something else than a regular file."""


class GuardError(HookError):
    """Something that must not reach the cluster: ciphertext, a `sops` section, a placeholder, an object too large."""

    exit_code = Outcome.REFUSED


class ClusterError(SecrettoolError):
    """The API server refused a request, or cannot be reached.

    Args:
        message: The cause; only texts of the server that cannot hold a value.
        status: HTTP status; None when there was no answer.
        reason: The server's own word, such as `Conflict`.
        subject: The object.
        hint: What to try.
    """

    exit_code = Outcome.CLUSTER

    def __init__(
        self, message: str, *, status: int | None = None, reason: str | None = None, subject: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason
        self.file = subject


class SourceError(SecrettoolError):
    """A value for a placeholder that its source does not give.

    Args:
        rule: Its code: `VL01` missing, `VL02` empty, `VL03` a placeholder itself, `VL04` refused, `VL05` not of the form that it should have, `VL06`
            described wrongly, `VL07` no answer, `VL08` not decrypted, `VL09` no login.
        message: The cause; never a value, nor the text of a provider, which may quote one.
        subject: The value's name in the map.
        where: Its source, such as `env SMTP_PASSWORD` or `kv: authentik#smtp-password`.
        hint: What to try.
        code: Exit code when it is not the one of the class.
    """

    exit_code = Outcome.SOME_FAILED

    def __init__(
        self,
        rule: str,
        message: str,
        *,
        subject: str | None = None,
        where: str | None = None,
        hint: str | None = None,
        code: ExitCode | Outcome | None = None,
    ) -> None:
        super().__init__(message, hint=hint, where=where, code=code)
        self.rule = rule
        self.file = subject

    @property
    def is_missing(self) -> bool:
        """Whether there is no value, or an empty one; whoever can do without it may go on."""
        return self.rule in ("VL01", "VL02")

    def __str__(self) -> str:
        return f"{self.rule} {super().__str__()}"


class ProviderLoginError(SourceError):
    """A provider let nobody in."""

    exit_code = Outcome.NO_LOGIN
