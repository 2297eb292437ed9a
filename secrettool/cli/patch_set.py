"""`secrettool patch set`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import patchoptions, patchreport, patchsession, patchvalues
from secrettool.cli.streams import asker, read_stdin
from secrettool.errors import Outcome, SourceError, UsageError

if TYPE_CHECKING:
    from secrettool.objects import Ref
    from secrettool.patcher.mapping import Target
    from secrettool.patcher.result import Result
    from secrettool.patcher.wanted import Values
    from secrettool.sources.value import SecretValue

_VALUE = "value"  # name of the one value there is
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")


@click.command(
    "set",
    cls=patchreport.Command,
    examples=(
        "pass show mail | secrettool patch set authentik/authentik-credentials smtp-password --from-stdin",
        "secrettool patch set chatto/chatto-config NATS_TOKEN --from-env NATS_TOKEN --manifests k3s",
        "secrettool patch set shop/db password --from-stdin         # on a terminal: asks, and shows nothing",
        "openssl rand -base64 48 | secrettool patch set shop/session cookie-key --from-stdin --create",
    ),
)
@click.argument("name", metavar="NAMESPACE/NAME")
@click.argument("key", metavar="KEY")
@click.option("--from-stdin", is_flag=True, help="Read the value from stdin; ask for it when that is a terminal.")
@click.option("--from-env", metavar="VARIABLE", help="Read the value from an environment variable.")
@click.option("--keep-newline", is_flag=True, help="Keep the line break at the end of stdin.")
@click.option("--allow-empty", is_flag=True, help="Let the value be empty.")
@click.option("--create", is_flag=True, help="Create the Secret if it is missing.")
@patchoptions.manifests
@patchoptions.cluster
@click.option("--dry-run", type=click.Choice(["server"]), help="Let the server try the request and store nothing.")
@patchoptions.policy
@patchoptions.mask
@click.option("--recreate", is_flag=True, help="Delete an immutable Secret, and create it again.")
@patchoptions.verify
@patchoptions.report
def command(*, name: str, key: str, **given: Any) -> int:
    """Set KEY of one Secret to a value, without a map: what `patch run` does, for one key.

    The value comes from stdin or from an environment variable, never from an argument, which other programs could see. Flux is kept from setting it
    back, as --policy says; with --manifests only when it would.
    """
    if given["from_stdin"] == bool(given["from_env"]):
        raise UsageError("say where the value comes from: --from-stdin or --from-env", code=Outcome.CONFIGURATION)
    if not _KEY.match(key):
        raise UsageError("KEY is not a name that Kubernetes takes for a key of a Secret", code=Outcome.CONFIGURATION)
    target = _target(secret_ref(name), key, given)
    value = _value(given)
    patchvalues.masker(given)(value)
    with patchsession.surroundings(given, list(target.refs())) as around:
        from secrettool.patcher.run import Settings, run

        settings = Settings(
            mode="dry-run" if given["dry_run"] else "apply",
            verify=not given["no_verify"],
            recreate=given["recreate"],
            may_be_empty=lambda _name, _target: given["allow_empty"],
        )
        results = run([target], around, _Given(value), settings)
    return patchreport.tell([_with_own_hints(result) for result in results], settings.mode, given)


def secret_ref(text: str) -> Ref:
    """The Secret that `NAMESPACE/NAME` names.

    Raises:
        UsageError: It is written in another way.
    """
    from secrettool.objects import Ref

    namespace, slash, name = text.partition("/")
    if not slash or not _NAME.match(namespace) or not _NAME.match(name):
        raise UsageError("a Secret is written as NAMESPACE/NAME", hint="such as shop/database", code=Outcome.CONFIGURATION)
    return Ref("v1", "Secret", namespace, name)


def _with_own_hints(result: Result) -> Result:
    """What a run says about a target of a map, said about this command."""
    findings = tuple(each._replace(hint="--create makes it") if each.code == "OB01" else each for each in result.findings)
    return replace(result, findings=findings)


class _Given:
    """The value as a source."""

    def __init__(self, value: SecretValue) -> None:
        self._value = value

    def resolve(self, names: Iterable[str]) -> Values:
        """The value, whatever the name."""
        return dict.fromkeys(names, self._value)

    def version(self, name: str) -> int | None:
        """It has no version."""
        return None


def _target(ref: Ref, key: str, given: Mapping[str, Any]) -> Target:
    from secrettool.patcher.mapping import KeyRule, NewSecret, Target, TargetPolicy, ValueForm

    names = frozenset({_VALUE})
    return Target(
        id=f"{ref.namespace}/{ref.name}",
        api_version=ref.api_version,
        kind=ref.kind,
        name=ref.name,
        namespaces=(ref.namespace,),
        rules={key: KeyRule(ValueForm(_VALUE), names, names)},
        create=NewSecret() if given["create"] else None,
        policy=TargetPolicy(annotation=given["policy"] or "ensure", on_missing="fail", on_missing_namespace="fail"),
    )


def _value(given: Mapping[str, Any]) -> SecretValue:
    """The value, without one line break at the end of stdin.

    Raises:
        SourceError: The variable is not set (`VL01`), or nobody answered.
    """
    from secrettool.sources.value import SecretValue

    variable = given["from_env"]
    if variable:
        text = os.environ.pop(variable, None)
        if text is None:
            raise SourceError("VL01", "the variable is not set", subject=variable, code=Outcome.CONFIGURATION)
        return SecretValue(text.encode("utf-8", "surrogateescape"))
    if sys.stdin.isatty():
        ask = asker()
        answer = ask("Value:") if ask else None
        if answer is None:
            raise SourceError("VL01", "no value was given", code=Outcome.CONFIGURATION)
        return SecretValue(answer.encode("utf-8", "surrogateescape"))
    data = read_stdin()
    return SecretValue(data if given["keep_newline"] else _without_newline(data))


def _without_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
