"""One run of a file command: config file, stores, keys, and reading and writing files. Every command stands on it.

Source: sops 3.13 cmd/sops/main.go (inputStore, outputStore, loadStoresConfig, keyservices, decryptionOrder), cmd/sops/formats.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from secrettool import fs
from secrettool.cli import output
from secrettool.cli.options import Settings
from secrettool.cli.streams import asker, read_stdin, write_stdout
from secrettool.errors import ExitCode, InputError, OutputError, SecrettoolError, UsageError
from secrettool.sops import document
from secrettool.sops.keygroups import parse_decryption_order

if TYPE_CHECKING:
    import click

    from secrettool.config import ConfigFile, CreationPlan
    from secrettool.sops.document import EncryptionPlan, Runtime, SealedFile
    from secrettool.sops.keygroups import MasterKey
    from secrettool.sops.store import Store


class Source(NamedTuple):
    """What was read.

    Attributes:
        path: The file as it was named; None for stdin.
        data: Its bytes.
        stamp: What it was when it was read; None for stdin.
    """

    path: str | None
    data: bytes
    stamp: fs.Stamp | None


@contextmanager
def about(path: str | None) -> Iterator[None]:
    """Give errors that leave this block the name of the file, unless they have one."""
    try:
        yield
    except SecrettoolError as error:
        error.file = error.file or path or "stdin"
        raise


class Session:
    """What a run knows: the root's options, environment and working directory; config file and keys, once they are needed.

    Args:
        settings: The root's options.
        decryption_order: Text of `--decryption-order`.
        local_keys: Whether the keys of this machine are used.
        key_services: URIs of key services.

    Raises:
        UsageError: 112 when a kind stands twice in the order.
    """

    def __init__(self, settings: Settings, decryption_order: str = "", *, local_keys: bool = True, key_services: Sequence[str] = ()) -> None:
        self.settings = settings
        self.environ: Mapping[str, str] = os.environ
        self.order = parse_decryption_order(decryption_order) if decryption_order else None
        self._local_keys = local_keys
        if any(key_services):
            raise UsageError("key services are not supported", hint="run secrettool where the keys are, without --keyservice and SOPS_KEYSERVICE")

    @classmethod
    def start(cls, ctx: click.Context, options: Mapping[str, Any]) -> Session:
        """A session from a command's context and its parameters, of which those of `options.key_access` are read."""
        return cls(
            ctx.find_object(Settings) or Settings(),
            options.get("decryption_order", ""),
            local_keys=options.get("local_keys", True),
            key_services=options.get("key_services", ()),
        )

    # ---- places ----------------------------------------------------------------------------------------------------------------------------------

    @cached_property
    def cwd(self) -> str:
        """The working directory as the shell names it."""
        from secrettool.config import working_directory

        return working_directory(self.environ)

    def absolute(self, path: str) -> str:
        """The path that creation rules are matched with."""
        from secrettool.config import absolute_path

        return absolute_path(path, self.cwd)

    @cached_property
    def config(self) -> ConfigFile | None:
        """The config file, found and read once; None when there is none.

        Raises:
            ConfigError: It is broken.
        """
        from secrettool.config import find_config

        return find_config(self.cwd, self.environ, self.settings.config, output.warning)

    # ---- formats ---------------------------------------------------------------------------------------------------------------------------------

    def store(self, name: str | None, kind: str | None = None) -> Store:
        """The store for a file name, or the one that `--input-type` or `--output-type` names; an unknown type is ignored, as in sops.

        Raises:
            ConfigError: The config file is broken, which sops finds out here.
        """
        from secrettool import stores

        _ = self.config
        return stores.by_name(kind if kind in stores.STORE_NAMES else stores.name_for_path(name or ""))

    def indent(self, store: Store) -> int | None:
        """Indentation for text that this store prints anew: `--indent`, else what the config file says, else None."""
        if self.settings.indent is not None:
            return self.settings.indent
        return None if self.config is None else self.config.config.stores.indent_of(store.name)

    def converted(self, data: bytes, store: Store, target: Store) -> bytes:
        """An encrypted file in another format, values and keys as they are; the same bytes when the format is the same.

        Raises:
            EmitError: The output format cannot express the tree.
        """
        if target.name == store.name:
            return data
        from secrettool.sops.metadata import section_of

        file = document.load(store, data)
        return target.emit_sealed(file.document.tree, section_of(file.metadata), indent=self.indent(target))

    # ---- keys ------------------------------------------------------------------------------------------------------------------------------------

    @cached_property
    def runtime(self) -> Runtime:
        """Keys, randomness and clock; identities are unlocked once for all files."""
        from secrettool.library import local_runtime, now

        if not self._local_keys:
            from secrettool.cli.nokeys import NoKeyring

            return document.Runtime(NoKeyring(), os.urandom, now)
        return local_runtime(self.environ, prompt=asker(), decryption_order=self.order)

    def creation_plan(self, name: str, store: Store, options: Mapping[str, Any], *, old_form: bool = False) -> CreationPlan:
        """How a new file is encrypted, by options, environment and the rule for its name.

        Args:
            name: The file, or what `--filename-override` says.
            store: The store that reads it.
            options: Parameters of the command, of which those of `options.keys`, `selectors`, `comment_selectors` and `threshold` are read.
            old_form: Whether this is the form without a command, which differs in one detail of AWS KMS.

        Raises:
            ConfigError: No rule, no keys, or broken ones.
            UsageError: 8 for selectors that clash, 6 for the encryption context.
        """
        from secrettool import config, masterkeys
        from secrettool.sops.selection import SELECTOR_KINDS

        explicit = masterkeys.explicit_keys(
            options, self.environ, aws_profile=options.get("aws_profile", ""), encryption_context=options.get("encryption_context", "")
        )
        return config.resolve(
            self.config,
            self.absolute(name),
            explicit,
            selectors={kind: options.get(kind, "") for kind in SELECTOR_KINDS},
            shamir_threshold=options.get("shamir_threshold", 0),
            mac_only_encrypted=self.settings.mac_only_encrypted,
            single_value_store=store.name if store.name == "binary" else None,
            context_for_rule=old_form,
        )

    def encryption_plan(self, name: str, store: Store, options: Mapping[str, Any], *, old_form: bool = False) -> EncryptionPlan:
        """`creation_plan` as `document.encrypt` takes it; its warnings are printed."""
        from secrettool.sops.selection import Selector

        plan = self.creation_plan(name, store, options, old_form=old_form)
        for text in plan.warnings:
            output.warning(text)
        return document.EncryptionPlan(plan.groups, plan.selector or Selector(), plan.shamir_threshold, plan.mac_only_encrypted)

    # ---- files -----------------------------------------------------------------------------------------------------------------------------------

    def read(self, path: str | None, *, missing: ExitCode = ExitCode.INPUT_UNREADABLE) -> Source:
        """Read a file, or stdin when there is no path.

        Args:
            path: The file.
            missing: Exit code when it does not exist: 100 for encrypt and decrypt.

        Raises:
            InputError: It cannot be read.
        """
        if path is None:
            return Source(None, read_stdin(), None)
        try:
            data, stamp = fs.read(path)
        except InputError as error:
            if not os.path.exists(path):
                raise not_there(path, missing) from None
            error.message = f"Error reading file: {error.message}"
            raise
        return Source(path, data, stamp)

    def load(self, path: str | None, store: Store, *, missing: ExitCode = ExitCode.INPUT_UNREADABLE) -> tuple[Source, SealedFile]:
        """Read an encrypted file and its section.

        Raises:
            InputError: It cannot be read.
            FormatError: It is broken; 1.
            MetadataError: It is not encrypted, or its section is damaged.
        """
        source = self.read(path, missing=missing)
        with about(path):
            return source, document.load(store, source.data)

    def write(self, data: bytes, source: Source, *, in_place: bool = False, output_file: str | None = None) -> None:
        """Write a result: into the file it came from, to another one, or to stdout.

        Raises:
            OutputError: It cannot be written, or another program changed the file meanwhile.
        """
        if in_place and source.path is not None:
            if data != source.data:
                _replace(source.path, data, source.stamp, "in-place")
        elif output_file:
            _replace(output_file, data, None, "output")
        else:
            write_stdout(data)


def not_there(path: str, code: ExitCode) -> InputError:
    """The error for a file that does not exist."""
    error = InputError("cannot operate on non-existent file", code=code)
    error.file = path
    return error


def _replace(path: str, data: bytes, stamp: fs.Stamp | None, what: str) -> None:
    try:
        fs.replace(path, data, expected=stamp)
    except OutputError as error:
        error.message = f"Could not open {what} file for writing: {error.message}"
        raise


def master_keys(options: Mapping[str, Any], prefix: str) -> tuple[MasterKey, ...]:
    """The keys that options such as `--add-age` and `--rm-pgp` name.

    Args:
        options: Parameters of the command.
        prefix: `add_` or `rm_`.

    Raises:
        ConfigError: A key is malformed.
    """
    from secrettool import masterkeys

    named = {name: options.get(prefix + name, "") for name in masterkeys.KEY_VARIABLES}
    explicit = masterkeys.explicit_keys(named, {}, encryption_context=options.get("encryption_context", ""))
    if explicit.context_or_none() is None:
        explicit = explicit._replace(encryption_context="")  # sops passes over a malformed one here
    groups = masterkeys.explicit_groups(explicit)
    return groups[0] if groups else ()
