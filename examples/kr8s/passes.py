"""One pass of a reconciler around its hooks. Nothing here knows kr8s."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any

from secrettool import manifests
from secrettool.errors import HookError
from secrettool.fs.saferoot import SafeRoot
from secrettool.fs.workspace import open_workspace
from secrettool.hook import HookConfig, KeyRing, PassContext, ReconcileHook
from secrettool.objects import folded

Build = Callable[[str], str]
"""A folder to manifests."""

Apply = Callable[[dict[str, Any]], Awaitable[str]]
"""What became of an object, in a word."""


def load_hooks(names: Iterable[str], config: HookConfig, keys: KeyRing, path: str) -> list[ReconcileHook]:
    """The hooks with these names in the entry-point group `secrettool.hooks`, in this order.

    Raises:
        KeyError: Nothing that is installed offers one.
    """
    return [entry_points(group="secrettool.hooks")[name].load()(config, keys, path=path) for name in names]


def kustomize(folder: str) -> str:
    """Build a folder.

    Raises:
        HookError: It failed. What kustomize said is dropped: it may quote a file that was just decrypted.
    """
    done = subprocess.run(["kustomize", "build", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HookError("HK142", f"kustomize ended with {done.returncode}", subject=os.path.basename(folder))
    return done.stdout


async def run_pass(hooks: Sequence[ReconcileHook], ctx: PassContext, source: str, path: str, build: Build, apply: Apply) -> list[str]:
    """Build a folder of a source, decrypt, and apply: the steps and their order are those of Flux.

    Args:
        hooks: What is called around the steps, in this order.
        ctx: The pass.
        source: Root of the source, which is left as it is: hooks and build work on a copy in memory.
        path: The folder that is built, relative to the root.
        build: Makes manifests.
        apply: Applies one object.

    Returns:
        What became of each object.

    Raises:
        HookError: The first failure of a hook. Nothing was applied, unless it came from `after_apply`.
    """
    with SafeRoot(source) as tree, open_workspace(tree) as copy:
        try:
            for hook in hooks:
                hook.before_build(ctx, copy.root)
            text = build(os.path.join(copy.path, copy.root.resolve(path)))
            objs = [dict(obj) for obj in manifests.flatten_lists(manifest.obj for manifest in manifests.read(text, file=path))]
            for hook in hooks:
                objs = hook.after_build(ctx, objs)
            for hook in hooks:
                hook.before_apply(ctx, objs)
            # stringData becomes data: who applies stringData does not get rid of keys that are dropped later.
            results = [await apply(dict(folded(obj))) for obj in objs]
            for hook in hooks:
                hook.after_apply(ctx, results)
        except HookError as error:
            for hook in hooks:
                hook.on_error(ctx, error)
            raise
    return results
