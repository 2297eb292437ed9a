"""`secrettool set`.

Source: sops 3.13 cmd/sops/main.go (set, jsonValueToTreeInsertableValue), cmd/sops/set.go.
"""

from __future__ import annotations

from math import isinf
from typing import Any

import click

from secrettool import fs
from secrettool.cli import options
from secrettool.cli.inplace import unused_threshold, write_changed
from secrettool.cli.session import Session, about
from secrettool.cli.streams import read_stdin
from secrettool.errors import ExitCode, FormatError, InputError, TreePathError, UsageError
from secrettool.sops import changing
from secrettool.sops.editing import Steps, parse_steps
from secrettool.sops.tree import NOWHERE, Branch, Comment, Item, Leaf, Node, Sequence, substitute, walk


@click.command(
    "set",
    cls=options.Command,
    context_settings={"allow_extra_args": True},
    examples=(
        'pass show db | jq -R . | secrettool set --value-stdin secrets.yaml \'["data"]["password"]\'',
        'secrettool set --value-file secrets.yaml \'["data"]["cert"]\' cert.json',
        "secrettool set settings.yaml '[\"replicas\"]' 3",
        'secrettool set --idempotent settings.yaml \'["hosts"][0]\' \'{"name": "a", "port": 443}\'',
    ),
)
@click.argument("file", type=click.Path(), required=False)
@click.argument("path", required=False)
@click.argument("value", required=False)
@options.types
@click.option("--value-file", is_flag=True, help="VALUE is the name of a file to read the value from.")
@click.option("--value-stdin", is_flag=True, help="Read the value from stdin; there is no argument VALUE then. Best for secrets.")
@options.ignore_mac
@click.option("--idempotent", is_flag=True, help="Do nothing when the value is there already, with its type.")
@options.dry_run
@unused_threshold
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, file: str | None, path: str | None, value: str | None, **given: Any) -> None:
    """Set the value at PATH in an encrypted FILE to VALUE, which is JSON: "text", 5, true, null or {"key": ...}.

    What is written on the command line can be read by every user of the machine, in the list of processes, and stays in the history of the
    shell: give secrets with --value-stdin.

    PATH names keys and positions in lists, such as ["data"]["password"] or ["hosts"][0]; what is missing on the way is made, and a position
    behind the end appends. A number becomes a float, whole numbers inside an object stay integers. All other values keep their ciphertext.
    """
    place, text, steps = _arguments(ctx, file, path, value, given)
    node = json_value(text)
    session = Session.start(ctx, given)
    store, target = session.store(place, given["input_type"]), session.store(place, given["output_type"])
    source, sealed = session.load(place, store)
    with about(place):
        opened = sealed.open(session.runtime, ignore_mac=given["ignore_mac"])
        data = changing.set_value(sealed, opened, steps, node, session.runtime)
        if data == sealed.data and given["idempotent"]:
            target = store
        write_changed(session, source, data, store, target, dry_run=given["dry_run"])


def _arguments(ctx: click.Context, /, file: str | None, path: str | None, value: str | None, given: dict[str, Any]) -> tuple[str, str, Steps]:
    """The file, the text of the value and the path."""
    from_file, from_stdin = given["value_file"], given["value_stdin"]
    if from_file and from_stdin:
        raise UsageError("Error: cannot use both --value-file and --value-stdin")
    words = [word for word in (file, path, value) if word is not None] + ctx.args
    wanted = 2 if from_stdin else 3
    if file is None or path is None or len(words) != wanted:
        reason = " since --value-stdin is used" if from_stdin else ""
        raise UsageError(
            f"Error: no file specified, or index and value are missing. Need precisely {wanted} positional arguments{reason}.",
            code=ExitCode.NO_FILE_SPECIFIED,
            hint="secrettool set FILE '[\"key\"]' '\"value\"'",
        )
    steps = read_path(path, "set")
    if from_stdin:
        return file, _text(read_stdin()), steps
    assert value is not None
    if not from_file:
        return file, value, steps
    try:
        return file, _text(fs.read(value)[0]), steps
    except InputError as error:
        error.code = ExitCode.GENERIC
        raise


def read_path(text: str, verb: str) -> Steps:
    """Read the PATH of `set` or `unset`.

    Raises:
        TreePathError: 7 when it is malformed.
    """
    try:
        steps = parse_steps(text, ExitCode.INVALID_SET_FORMAT)
        if not steps:
            raise TreePathError("the path is empty", hint='a path looks like ["data"]["password"]', code=ExitCode.INVALID_SET_FORMAT)
    except TreePathError as error:
        error.message = f"Invalid {verb} index format: {error.message}"
        raise
    return steps


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def json_value(text: str) -> Node:
    """The node that a JSON text stands for, as the reference reads it.

    Args:
        text: One JSON value. At the top a number is a float; an object is read as the JSON format is, so its integers stay integers.

    Returns:
        A node that stands in no text.

    Raises:
        UsageError: 7 when it is not JSON, or a list.
    """
    from secrettool.stores.json.scan import scan, span

    wrapped = f'{{"value":{text}\n}}'
    try:
        root = scan(wrapped).root
    except FormatError:
        raise _not_json() from None
    if len(root.items) != 1 or span(root)[1] != len(wrapped):
        raise _not_json()
    item = root.items[0]
    assert isinstance(item, Item)
    if isinstance(item.value, Sequence):
        raise UsageError(
            "Invalid --set value format: a list cannot be set as a whole",
            hint='set its elements one by one, such as ["list"][0], or put the list into an object',
            code=ExitCode.INVALID_SET_FORMAT,
        )
    if isinstance(item.value, Leaf):
        start, end = span(item.value)
        return Leaf(_scalar(item.value, wrapped[start:end]))
    return _detached(item.value)


def _scalar(leaf: Leaf, written: str) -> Any:
    value = leaf.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(written)
    if isinf(number):
        raise _not_json()
    return number


def _detached(branch: Branch) -> Branch:
    """A copy whose leaves stand in no text."""
    nodes: list[Leaf | Comment | None] = []
    for visit in walk([branch]):
        assert isinstance(visit.node, Leaf)
        nodes.append(Leaf(visit.node.value))
    copy = substitute([branch], nodes)[0]
    stack: list[Node | Comment] = [copy]
    while stack:  # the walk passes nulls by
        part = stack.pop()
        if isinstance(part, Branch):
            stack.extend(entry.value for entry in part.items if isinstance(entry, Item))
        elif isinstance(part, Sequence):
            stack.extend(part.items)
        else:
            part.start = part.end = NOWHERE
    return copy


def _not_json() -> UsageError:
    return UsageError(
        "Value for --set is not valid JSON",
        hint="""text stands in double quotes, and the shell needs single ones around them: '"text"'""",
        code=ExitCode.INVALID_SET_FORMAT,
    )
