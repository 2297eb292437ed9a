"""The resource stage: one object after the build.

In this order: an object that opts out is left alone; one with a `sops` section is decrypted as a whole, as JSON; of a Secret each entry of `data`
that is an encrypted document is decrypted to the format that its name asks for. With `parity="extended"` also entries of `stringData` and of
ConfigMaps, and the entries of a dotenv file that a generator split.

Source: kustomize-controller internal/decryptor/decryptor.go (DecryptResource); kyaml yaml/datamap.go (GetDataMap, SetDataMap).
"""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from secrettool.errors import HookError
from secrettool.findings import Finding
from secrettool.flux import NEWEST
from secrettool.flux.selectors import is_decryption_disabled
from secrettool.hook import splitenv
from secrettool.hook.entry import MacCheck, open_text
from secrettool.hook.marker import format_for_name, marked_formats
from secrettool.hook.model import HookConfig, ObjectOutcome
from secrettool.hook.substitution import substitution_warnings
from secrettool.objects import Object, ref_of, section
from secrettool.sops.values import float_text

if TYPE_CHECKING:
    from secrettool.hook.model import KeyRing

_EMPTY: tuple[Any, ...] = (None, {}, [])  # what Flux takes for nothing; an empty text is something
_MISSING = object()


class Stage(NamedTuple):
    """What the stage works with.

    Attributes:
        config: How strictly it follows Flux.
        keys: What opens data keys.
        macs: The `sops.mac` texts of files whose MAC was verified before the build.
    """

    config: HookConfig
    keys: KeyRing
    macs: Collection[str] = frozenset()

    def check(self, mac: str) -> MacCheck:
        """What happens to the MAC of a document."""
        if self.config.mac == "skip" or mac in self.macs:
            return "skip"
        return "require" if self.config.mac == "require" else "try"


def open_object(obj: Object, stage: Stage) -> ObjectOutcome:
    """Decrypt one object, all of it or nothing.

    Raises:
        HookError: By its rule; `file` is the object, `where` the entry.
    """
    if is_decryption_disabled(obj, NEWEST) and not stage.config.open_disabled:
        return ObjectOutcome(obj, "disabled")
    subject = _subject(obj)
    try:
        if is_encrypted(obj):
            return _open_whole(obj, stage)
        if obj.get("kind") == "Secret":
            return _Entries(obj, subject, stage).open_secret()
        if obj.get("kind") == "ConfigMap" and stage.config.parity == "extended":
            return _Entries(obj, subject, stage).open_config_map()
    except HookError as error:
        error.file = subject
        raise
    return ObjectOutcome(obj, "untouched")


def is_encrypted(obj: Object) -> bool:
    """Whether an object as a whole is a SOPS document: its section has a MAC, whatever that is."""
    return section(obj, "sops").get("mac") not in _EMPTY


def _subject(obj: Object) -> str:
    """The name of an object for messages; files that were encrypted without a rule have ciphertext even there."""
    parts = ["(encrypted)" if part.startswith("ENC[") else part for part in ref_of(obj)[1:]]
    return "/".join(part for part in parts if part)


def _open_whole(obj: Object, stage: Stage) -> ObjectOutcome:
    try:
        text = json.dumps(obj).encode()
    except RecursionError:
        raise HookError("HK110", "not an encrypted document: the object is nested too deeply") from None
    opened = open_text(text, "json", "json", stage.keys, macs=stage.check)
    plain = json.loads(opened.data, parse_int=_rounded)
    warnings = [] if opened.verified else [_unverified(_subject(plain), None)]
    return ObjectOutcome(plain, "decrypted", (), (*warnings, *substitution_warnings(obj, plain)))


def _rounded(digits: str) -> int:
    """A whole number as Flux has it after decryption: it goes through a float of 64 bits."""
    return int(float(digits))


def _unverified(subject: str, key: str | None) -> Finding:
    text = "decrypted without a check of its MAC: no file of the source that was checked has this MAC"
    hint = "transformers change an object, so that its own MAC cannot fit; --mac=require refuses such objects"
    return Finding("HK008", "warning", text, subject=subject, key=key, hint=hint)


class _Entries:
    """The entries of one object while they are opened."""

    def __init__(self, obj: Object, subject: str, stage: Stage) -> None:
        self._obj = obj
        self._subject = subject
        self._stage = stage
        self._opened: list[str] = []
        self._warnings: list[Finding] = []

    def open_secret(self) -> ObjectOutcome:
        """Open the entries of a Secret."""
        changed: dict[str, Mapping[str, Any]] = {}
        data = self._obj.get("data", _MISSING)
        if data in _EMPTY:
            changed["data"] = {}
        elif isinstance(data, Mapping):
            texts = {key: data_text(value) for key, value in data.items()}
            opened = {key: self._open_base64(key, text) for key, text in texts.items()}
            if self._stage.config.parity == "extended" and splitenv.is_split(opened):
                opened = self._open_split(opened)
            if opened != data:
                changed["data"] = opened
        if self._stage.config.parity == "extended":
            self._change(changed, "stringData", self._open_plain)
        return self._outcome(changed)

    def open_config_map(self) -> ObjectOutcome:
        """Open the entries of a ConfigMap."""
        changed: dict[str, Mapping[str, Any]] = {}
        self._change(changed, "data", self._open_plain)
        self._change(changed, "binaryData", lambda key, text: self._open_base64(key, text, lenient=True))
        return self._outcome(changed)

    def _change(self, changed: dict[str, Mapping[str, Any]], name: str, opener: Callable[[str, str], str]) -> None:
        """Open the text entries of one field."""
        field = section(self._obj, name)
        opened = {key: opener(key, value) if isinstance(value, str) else value for key, value in field.items()}
        if opened != field:
            changed[name] = opened

    def _outcome(self, changed: Mapping[str, Mapping[str, Any]]) -> ObjectOutcome:
        if not changed:
            return ObjectOutcome(self._obj, "untouched")
        obj = {key: changed.get(key, value) for key, value in self._obj.items() if changed.get(key, value) or key not in changed}
        warnings = (*self._warnings, *substitution_warnings(self._obj, obj))
        return ObjectOutcome(obj, "decrypted" if self._opened else "untouched", tuple(self._opened), warnings)

    def _open_base64(self, key: str, text: str, *, lenient: bool = False) -> str:
        """An entry in base64, opened where it is an encrypted document; what is no base64 stays, and the API server will say so."""
        try:
            data = a2b_base64(text.replace("\n", "").replace("\r", "").encode("ascii"), strict_mode=True)
        except ValueError:
            return text
        plain = self._open(key, data, lenient=lenient)
        return text if plain is None else b64encode(plain).decode("ascii")

    def _open_plain(self, key: str, text: str) -> str:
        """An entry in clear text, opened where all of it is an encrypted document."""
        plain = self._open(key, text.encode("utf-8", "surrogatepass"), lenient=True)
        if plain is None:
            return text
        try:
            return plain.decode("utf-8")
        except UnicodeDecodeError:
            raise HookError("HK115", "what is in it is not UTF-8 text", key=key, hint="put it into data or binaryData") from None

    def _open(self, key: str, data: bytes, *, lenient: bool) -> bytes | None:
        """Open an encrypted document.

        Args:
            key: Name of the entry.
            data: Its content.
            lenient: Whether a text that has a marker and is no document stays as it is; Flux fails, where it looks at all.
        """
        formats = marked_formats(data)
        if not formats:
            return None
        config = self._stage.config
        if config.parity == "extended" and len(data) > config.max_bytes:
            text = f"{len(data)} bytes, which is more than the limit of {config.max_bytes}"
            raise HookError("HK120", text, key=key, hint="--max-file-size changes the limit")
        try:
            plain = open_text(data, None, format_for_name(key), self._stage.keys, macs=self._stage.check)
        except HookError as error:
            if lenient and error.rule == "HK110":
                return None
            error.where = f"{key}: {error.where}" if error.where else key
            raise
        if not plain.verified:
            self._warnings.append(_unverified(self._subject, key))
        self._opened.append(key)
        return plain.data

    def _open_split(self, entries: Mapping[str, str]) -> dict[str, str]:
        """Put the entries of a split dotenv file together and open them."""
        whole = splitenv.join(entries)
        try:
            plain = open_text(whole.text, "dotenv", "dotenv", self._stage.keys, macs=self._stage.check)
        except HookError as error:
            error.where = error.where or splitenv.MAC
            raise
        if not plain.verified:
            self._warnings.append(_unverified(self._subject, None))
        self._opened += [key for key in whole.names if key not in self._opened]
        return splitenv.split(entries, whole.names, plain.data)


def data_text(value: object) -> str:
    """An entry of `data` as text; the API server takes nothing else, and Flux writes all of them as text when it looked at one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return float_text(value)
    return str(value) if isinstance(value, int) else ""
