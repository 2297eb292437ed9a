"""The kustomize program: finding it, and calling it on a folder whose paths were checked.

Nothing that it says is passed on: its messages quote files, which may be plain text at that moment. They are matched against what it is known to say,
and of that only names and numbers are kept.

Source: kustomize 5.7 commands/build; requirement DA-43.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from secrettool.errors import ConfigError, HookError, Outcome

FAILED: Final = "HK142"

TIME_LIMIT: Final = 60.0  # seconds

_NAME = r"[\w.-]{1,253}"
_ID = rf"([A-Za-z]{{1,63}}\.v\w{{1,20}}\.(?:\[noGrp\]|{_NAME})/{_NAME})"

_KNOWN: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"unable to find one of 'kustomization\.yaml'", "a folder that is built has no kustomization file"),
        (r"Found multiple kustomization files", "a folder has several kustomization files"),
        (r"kustomization\.yaml is empty", "a kustomization file says nothing"),
        (r'unknown field \\?"(\w{1,64})\\?"', "a kustomization file has the unknown field {}"),
        (
            r"cannot unmarshal (\w+) into Go (?:struct field|value of type) [\w.]*?\.?(\w{1,64}) ",
            "a kustomization file has a {} where {} needs something else",
        ),
        (r"invalid Kustomization", "a kustomization file cannot be read"),
        (rf"may not add resource with an already registered id: {_ID}", "{} is there twice"),
        (r"cycle detected", "kustomization files name each other in a circle"),
        (rf"no matches for Id {_ID}", "there is no {}, which a patch or a generator wants to change"),
        (r"no matches for Id", "there is no object that a patch or a generator wants to change"),
        (
            r"unable to (?:find patch target|find target for patch)|failed to find (?:unique )?target for patch",
            "there is no object that a patch wants to change",
        ),
        (r"unable to parse SM or JSON patch", "a patch is neither a strategic merge patch nor a JSON patch"),
        (
            r"add operation does not apply|replace operation does not apply|remove operation does not apply|test operation",
            "a JSON patch does not apply",
        ),
        (r"missing metadata\.name in object", "an object has no metadata.name"),
        (r"missing [Kk]ind|kind.*missing", "an object has no kind"),
        (r"must specify --enable-helm", "it uses Helm charts, which Flux does not build either"),
        (r"external plugins disabled|unable to load external plugin|plugins? .*disabled", "it uses plugins, which are switched off as in Flux"),
        (r"expected kind(?: !=)? '(Component|Kustomization)'", "a component stands among the resources, or a kustomization among the components"),
        (r"illegally repeats the key|another key by that name already exists", "a generator has the same key twice"),
        (r"no such file or directory|doesn't exist|not a valid directory", "a file or folder that is named does not exist"),
        (r"number of previous names", "a transformer changed the name or namespace of an object, which is encrypted"),
        (r"mapping key .{1,80} already defined", "an object has the same key twice"),
        (r"env source files?|invalid line|literal source|loading KV pairs", "a generator has a source that cannot be read"),
        (r"does not exist; cannot merge or replace", "there is no object that a generator wants to merge with or replace"),
        (r"missing Resource metadata", "a file holds something that is no Kubernetes object"),
        (r"kind should be Kustomization|apiVersion for .{1,64} should be", "a kustomization file has the wrong apiVersion or kind"),
        (r"yaml: line (\d{1,9})", "a file is not YAML (line {})"),
        (r"MalformedYAMLError|mapping values are not allowed|did not find expected|could not find expected", "a file is not YAML"),
        (
            r"wrong node kind|fieldPath|updating name reference|parsing annotation|invalid reference",
            "a transformer cannot change an object: an encrypted name or reference, or a field of the wrong kind",
        ),
    )
)
_MOST: Final = 3  # places that a message names
_QUOTED: Final = re.compile(r"""['"`]([^'"`\n]{1,400})['"`]""")


class Program(NamedTuple):
    """The program that builds.

    Attributes:
        path: Where it is.
        arguments: What makes it build.
    """

    path: str
    arguments: tuple[str, ...]


def find_program(environ: Mapping[str, str]) -> Program | None:
    """`kustomize`, else `kubectl kustomize`; None when neither is on PATH."""
    search = environ.get("PATH", os.defpath)
    for name, argument in (("kustomize", "build"), ("kubectl", "kustomize")):
        found = shutil.which(name, path=search)
        if found:
            return Program(os.path.abspath(found), (argument,))
    return None


def needed_program(environ: Mapping[str, str]) -> Program:
    """As `find_program`.

    Raises:
        ConfigError: There is none.
    """
    found = find_program(environ)
    if found is None:
        hint = "install kustomize; kubectl will do as well"
        raise ConfigError("neither kustomize nor kubectl is on PATH, and one of them is needed to build", hint=hint, code=Outcome.CONFIGURATION)
    return found


def run(
    program: Program, root: str, folder: str, *, environ: Mapping[str, str], keep_order: bool, missing: Sequence[str] = (), is_opened: bool = False
) -> str:
    """Build a folder.

    Args:
        program: What builds.
        root: Absolute path of the root, for messages.
        folder: The folder, relative to the root; every path that its files name was checked.
        environ: Of it only `PATH` and `HOME` are passed on.
        is_opened: Whether there are decrypted files in the folder; then no name out of a message is kept.
        missing: Places in kustomization files that name something that does not exist; told when the build fails.
        keep_order: Whether objects stay in the order of the files, as in Flux; else kustomize sorts them by kind.

    Returns:
        The objects as YAML documents.

    Raises:
        HookError: `HK142`: it failed, or took too long.
    """
    import subprocess

    command = [program.path, *program.arguments, os.path.join(root, folder), "--load-restrictor", "LoadRestrictionsNone"]
    if keep_order:
        command += ["--reorder", "none"]
    reduced = {name: environ[name] for name in ("PATH", "HOME") if name in environ}
    name = os.path.basename(program.path)
    try:
        done = subprocess.run(command, env=reduced, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise HookError(FAILED, f"{name} did not end within {TIME_LIMIT:.0f} s", subject=folder) from None
    except OSError as error:
        raise HookError(FAILED, f"{name} does not start: {(error.strerror or 'unknown error').lower()}", subject=folder) from None
    if done.returncode != 0:
        raise _failure(name, root, folder, done.stderr.decode("utf-8", "replace"), missing, is_opened)
    return done.stdout.decode("utf-8", "replace")


def _failure(name: str, root: str, folder: str, said: str, missing: Sequence[str], is_opened: bool) -> HookError:
    cause = "for a reason that may quote a file"
    for pattern, text in _KNOWN:
        found = pattern.search(said)
        if found is not None:
            cause = text.format(*("..." if is_opened else part.rstrip(".") for part in found.groups()))
            break
    files = [*missing[:_MOST], *_files(root, folder, said)][:_MOST]
    message = f"{name} cannot build it: {cause}" + (f" (see {', '.join(files)})" if files else "")
    hint = f"its own message is kept back, because it may quote a decrypted file; `{name} build {folder}` on the encrypted files shows it"
    return HookError(FAILED, message, subject=folder, hint=hint)


def _files(root: str, folder: str, said: str) -> list[str]:
    """Names in a message that lie in the tree: what exists there is no secret. In order."""
    found: dict[str, None] = {}
    for quoted in _QUOTED.findall(said):
        path = os.path.normpath(os.path.join(root, folder, quoted))
        if path.startswith(root.rstrip("/") + "/") and os.path.lexists(path):
            found[os.path.relpath(path, root)] = None
    return list(found)
