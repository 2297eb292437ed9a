"""Generators in the shape of KSOPS: encrypted files become the objects that are in them, or the entries of new Secrets.

Source: github.com/viaduct-ai/kustomize-sops 4.5 ksops.go (generate). What is different is in docs/guide/kustomize-krm.md.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from secrettool import manifests
from secrettool.errors import FormatError, HookError, InputError
from secrettool.findings import Finding
from secrettool.fs.openat import shown
from secrettool.hook.entry import MacCheck, open_text
from secrettool.hook.ksopsconfig import BAD_CONFIGURATION, Reference, SecretFrom, read_generator
from secrettool.hook.model import MAX_ERRORS, HookConfig, KeyRing
from secrettool.hook.walk import as_hook_error
from secrettool.objects import Object, ref_of

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot
    from secrettool.hook.marker import StoreName

TWICE, UNUSABLE, NO_OBJECT = "HK161", "HK163", "HK145"


class Files:
    """The encrypted files of a source, as a generator in one of its folders names them.

    Args:
        root: The source; no path leads out of it.
        folder: The folder of the kustomization file, relative to the root.
        config: `max_bytes`, and `mac`: checked unless it is `skip`.
        keys: What opens data keys.
    """

    def __init__(self, root: SafeRoot, folder: str, config: HookConfig, keys: KeyRing) -> None:
        self._root = root
        self._folder = folder
        self._limit = config.max_bytes
        self._mac: MacCheck = "skip" if config.mac == "skip" else "require"
        self._keys = keys

    def open(self, file: Reference) -> bytes:
        """The plain text of a file, as sops prints it in the format that its name says.

        Raises:
            HookError: It is not there, not encrypted in that format, or does not open; `file` is its path from the root.
        """
        from secrettool.stores import name_for_path

        store: StoreName = name_for_path(file.path)  # type: ignore[assignment]
        try:
            place = self.place(file)
            data = self._root.read(place, limit=self._limit)
        except (HookError, InputError) as error:
            raise as_hook_error(error, file.where) from None
        try:
            return open_text(data, store, store, self._keys, macs=lambda _mac: self._mac).data
        except HookError as error:
            error.file = shown(place)
            raise

    def place(self, file: Reference) -> str:
        """Where a file is, relative to the root and without links.

        Raises:
            UnsafePath: No file can be there.
            InputError: A folder on the way cannot be searched.
        """
        return self._root.resolve(file.path if file.path.startswith("/") else f"{self._folder}/{file.path}")


class Generated(NamedTuple):
    """What a generator made.

    Attributes:
        objects: The objects in order; not to be used when there is an error among the findings.
        findings: What a person should be told, and what went wrong, at most `MAX_ERRORS`.
    """

    objects: tuple[Object, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"<Generated {len(self.objects)} objects, {len(self.findings)} findings>"


def generate(obj: Object, files: Files, *, strict: bool = False) -> Generated:
    """Run a generator. Everything that fails is reported, not only the first.

    Args:
        obj: Its configuration.
        files: The files that it may name.
        strict: As for `read_generator`.
    """
    name = str(ref_of(obj)._replace(namespace=""))
    try:
        generator = read_generator(obj, strict=strict)
    except HookError as error:
        error.file = name
        return Generated((), (Finding.of(error),))
    run = _Run(name, files, generator.last_wins)
    objects: list[Object] = [obj for file in generator.files for obj in run.objects(file)]
    objects += [run.secret(secret) for secret in generator.secrets]
    unknown = "the field is not known and was passed over"
    warnings = (Finding(BAD_CONFIGURATION, "warning", unknown, subject=name, key=place) for place in generator.unknown)
    return Generated(tuple(objects), (*warnings, *run.errors[:MAX_ERRORS]))


class _Run:
    """One run of a generator; `errors` grows."""

    def __init__(self, name: str, files: Files, last_wins: bool) -> None:
        self._name = name
        self._files = files
        self._last_wins = last_wins
        self.errors: list[Finding] = []

    def objects(self, file: Reference) -> list[Object]:
        """The objects of a file, without its comments; none after an error."""
        text = self._text(file)
        if text is None:
            return []
        try:
            found: list[Object] = [manifest.obj for manifest in manifests.read(text, file=None, old_booleans=False)]
        except FormatError as error:
            # What a reader says about plain text may name its keys; where it is says enough.
            self._fail(UNUSABLE, "what is in it are no manifests", file, key=error.where)
            return []
        if not all(ref_of(obj).api_version and ref_of(obj).kind for obj in found):
            self._fail(NO_OBJECT, "what is in it is no Kubernetes object: it has no apiVersion or no kind", file)
        return found

    def secret(self, source: SecretFrom) -> Object:
        """A Secret; without what failed."""
        produced: dict[str, str] = {}
        texts: dict[str, str] = {}
        data: dict[str, str] = {}
        for file in source.files:
            text = self._text(file)
            if text is not None and self._is_new(produced, file.key, file, file.where):
                texts[file.key] = text
        for file in source.binary_files:
            content = self._open(file)
            if content is not None and self._is_new(produced, file.key, file, file.where):
                data[file.key] = b64encode(content).decode("ascii")
        for file in source.envs:
            for key, value, line in self._pairs(file):
                if self._is_new(produced, key, file, f"line {line} of {file.where}"):
                    texts[key] = value
        obj: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": dict(source.metadata)}
        fields: dict[str, Any] = {"type": source.type, "stringData": texts, "data": data}
        return obj | {name: value for name, value in fields.items() if value}

    def _pairs(self, file: Reference) -> list[tuple[str, str, int]]:
        from secrettool.hook.godotenv import pairs

        text = self._text(file)
        try:
            return list(pairs(text or ""))
        except FormatError as error:
            self._fail(UNUSABLE, f"not a dotenv file: {error.message}", file, key=error.where)
            return []

    def _is_new(self, produced: dict[str, str], key: str, file: Reference, where: str) -> bool:
        """Take down who produces a key; False when somebody did before, which is reported.

        A key of a dotenv file is not named: in a file of another format it was encrypted itself.
        """
        before = produced.get(key)
        if before is None or self._last_wins:
            produced[key] = where
            return True
        text = f"a key is produced twice: by {before}, and by {where}"
        hint = "give it another key with key=path; `duplicates: last` lets the last one win, as KSOPS does"
        self.errors.append(Finding(TWICE, "error", text, subject=self._name, key=file.key or None, hint=hint))
        return False

    def _text(self, file: Reference) -> str | None:
        data = self._open(file)
        try:
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError:
            self._fail(UNUSABLE, "what is in it is no UTF-8 text", file, hint="bytes go under binaryFiles")
            return None

    def _open(self, file: Reference) -> bytes | None:
        if len(self.errors) >= MAX_ERRORS:
            return None
        try:
            return self._files.open(file)
        except HookError as error:
            self.errors.append(Finding.of(error)._replace(file=error.file, subject=None))
            return None

    def _fail(self, code: str, text: str, file: Reference, *, key: str | None = None, hint: str | None = None) -> None:
        self.errors.append(Finding(code, "error", text, file=shown(self._files.place(file)), key=key, hint=hint or f"it is named in {file.where}"))
