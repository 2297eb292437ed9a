"""A reconciler with kr8s: a folder that git-sync keeps up to date is built, decrypted and applied, again and again.

loop.py /git/current clusters/production --key-secret shop/sops-age
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
from base64 import b64decode
from typing import Any

import kr8s.asyncio
from kr8s import ServerError
from kr8s.asyncio.objects import object_from_spec
from passes import kustomize, load_hooks, run_pass

from secrettool.errors import ClusterError, SecrettoolError
from secrettool.hook import HookConfig, KeySecret, KeySet, PassContext
from secrettool.objects import ref_of

MANAGER = "example-reconciler"
log = logging.getLogger(MANAGER)


async def read_keys(api: kr8s.asyncio.Api, place: str) -> KeySecret:
    """The entries of the Secret `namespace/name`."""
    namespace, _, name = place.partition("/")
    async with api.call_api("GET", namespace=namespace, url=f"secrets/{name}") as answer:
        return KeySecret(f"Secret/{place}", {entry: b64decode(text) for entry, text in answer.json().get("data", {}).items()})


async def apply(api: kr8s.asyncio.Api, obj: dict[str, Any]) -> str:
    """Server-side apply of one object.

    Raises:
        ClusterError: The API server refused. Its own text is dropped: it quotes values of what was sent.
    """
    target = object_from_spec(obj, api=api, allow_unknown_type=True)
    try:
        async with api.call_api(
            "PATCH",
            version=target.version,
            namespace=target.namespace,
            url=f"{target.endpoint}/{target.name}",
            params={"fieldManager": MANAGER},
            headers={"Content-Type": "application/apply-patch+yaml"},
            content=json.dumps(obj),
        ) as answer:
            return "created" if answer.status_code == 201 else "applied"
    except ServerError as error:
        status = error.response.status_code if error.response is not None else 0
        raise ClusterError(f"the API server refused it ({status})", status=status, subject=str(ref_of(obj))) from None


async def reconcile(options: argparse.Namespace, attempt: int) -> None:
    """One pass. The link that git-sync changes is followed once, so that a pass sees one revision."""
    source = os.path.realpath(options.source)
    api = await kr8s.asyncio.api()
    ctx = PassContext(options.path, os.path.basename(source), attempt)
    with KeySet(await read_keys(api, options.key_secret), env_keys=False) as keys:
        hooks = load_hooks(["decrypt"], HookConfig(), keys, options.path)
        results = await run_pass(hooks, ctx, source, options.path, kustomize, lambda obj: apply(api, obj))
    log.info("%s at %s: %d objects, %d of them new", ctx.source, ctx.revision, len(results), results.count("created"))


async def main() -> None:
    """Reconcile until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("path")
    parser.add_argument("--key-secret", required=True, metavar="NAMESPACE/NAME")
    parser.add_argument("--interval", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    attempt = 0
    while True:
        attempt += 1
        try:
            await reconcile(options, attempt)
            attempt = 0
        except (SecrettoolError, ServerError) as error:
            log.error("%s", error)
        if options.once:
            return
        await asyncio.sleep(options.interval)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(main())
