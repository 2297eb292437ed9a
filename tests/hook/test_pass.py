"""A whole pass against what the real Flux did: all vectors of mode `pass`, with the real kustomize.

Flux calls kustomize as a library, secrettool as a program; where that shows, the case is named below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from secrettool.build.render import Rendered, Surroundings, applied, render
from secrettool.errors import GuardError, HookError
from secrettool.flux import NEWEST, FluxKustomization, FluxVersion
from secrettool.hook.model import HookConfig
from tests.hook.cases import Case, Expected, Version, all_cases, of_mode, stage
from tests.hook.keys import key_set

pytestmark = pytest.mark.real

STRICT = HookConfig(parity="flux", sources="flux", mac="skip")
VERSIONS: dict[Version, FluxVersion] = {"flux": FluxVersion(1, 7, 3), "newer": NEWEST}

CODES = {
    "failed to emit encrypted": "HK115",
    "Input string <redacted> does not match sops' data format": "HK113",
    "cipher: message authentication failed": "HK112",
    "kustomize build failed": "HK142",
    "envsubst error": "HK144",
    "is SOPS encrypted, configuring decryption is required": "HK001",
}
"""What Flux says, and the code that we give."""

# The program has to print what the library hands over, and cannot print an object that has a key twice.
FAILS_EARLIER = {"transform-hostile-duplicate": ("build", "HK142")}
# The program states its version, the library says that it has none.
MANAGED_BY = "app.kubernetes.io/managed-by"

CASES = [pytest.param(case, id=case.id) for case in of_mode("pass")]


def run(case: Case, folder: Path, kustomize: Path, config: HookConfig = STRICT, version: Version = "newer") -> Rendered:
    root = case.make_tree(folder)
    surroundings = Surroundings(environ={"PATH": str(kustomize.parent), "HOME": str(folder)}, version=VERSIONS[version])
    with key_set(case) as keys:
        return render(str(root), ".", flux=FluxKustomization.from_object(case.flux), config=config, keys=keys, surroundings=surroundings)


def as_json(objs: Any) -> list[dict[str, Any]]:
    """Objects as they can be compared: without what the API adds to a new object, and without kustomize's version."""
    found: list[dict[str, Any]] = json.loads(json.dumps(list(objs)))
    for obj in found:
        obj["metadata"].pop("creationTimestamp", None)
        if obj["metadata"].get("labels", {}).get(MANAGED_BY, "").startswith("kustomize-"):
            obj["metadata"]["labels"][MANAGED_BY] = "kustomize"
    return found


def code_of(result: Expected) -> str:
    return next(code for fragment, code in CODES.items() if fragment in result["error"]["text"])


def assert_like(case: Case, done: Rendered, result: Expected) -> None:
    where, code = (stage(result), code_of(result)) if stage(result) and case.id not in FAILS_EARLIER else FAILS_EARLIER.get(case.id, (None, None))
    assert done.stage == where
    assert [error.rule for error in done.errors if isinstance(error, HookError)] == ([code] if code else [])
    if "objects" in result:
        assert as_json(done.objects) == as_json(result["objects"])
        flux = FluxKustomization.from_object({**case.flux, "spec": {**case.flux["spec"], "commonMetadata": None}})
        pairs = zip(as_json(applied(done.objects, flux)), as_json(result["applied"]), strict=True)
        # Flux fills in defaults of other kinds too, which the API server does anyway.
        assert not [(ours, theirs) for ours, theirs in pairs if ours["kind"] == "Secret" and ours != theirs]


def test_every_vector_of_a_pass_is_here() -> None:
    assert len(CASES) == 57


@pytest.mark.parametrize("case", CASES)
def test_a_pass_ends_as_in_flux(case: Case, tmp_path: Path, real_kustomize: Path) -> None:
    done = run(case, tmp_path, real_kustomize)
    results = case.results()
    assert done.stage in [stage(result) for result in results] or case.id in FAILS_EARLIER
    assert_like(case, done, next((result for result in results if stage(result) == done.stage), results[0]))


@pytest.mark.parametrize("case", [case for case in CASES if case.id == "transform-substitute-unknown"])
def test_an_older_flux_leaves_unknown_variables_empty(case: Case, tmp_path: Path, real_kustomize: Path) -> None:
    assert_like(case, run(case, tmp_path, real_kustomize, version="flux"), case.results("flux")[0])


@pytest.mark.parametrize("name", [case.id for case in of_mode("pass") if case.departs & {"DA-05", "DA-40"}])
def test_what_flux_lets_pass_is_refused_by_default(name: str, tmp_path: Path, real_kustomize: Path) -> None:
    done = run(all_cases()[name], tmp_path, real_kustomize, HookConfig())
    assert done.stage == "guard"
    assert done.errors and all(isinstance(error, GuardError) for error in done.errors)


def test_an_encrypted_entry_of_a_config_map_is_opened_by_default(tmp_path: Path, real_kustomize: Path) -> None:
    done = run(all_cases()["generator-configmap-entry"], tmp_path, real_kustomize, HookConfig()).check()
    assert "ENC[" not in json.dumps(done.objects)
    assert done.facts[0].action == "decrypted"


@pytest.mark.parametrize(
    ("name", "is_told"), [("generator-hash-over-ciphertext", True), ("generator-hash-over-plaintext", False), ("generator-no-hash", False)]
)
def test_da_02_a_name_with_a_hash_of_ciphertext_is_told(name: str, is_told: bool, tmp_path: Path, real_kustomize: Path) -> None:
    done = run(all_cases()[name], tmp_path, real_kustomize, HookConfig()).check()
    assert ("HK009" in [finding.code for finding in done.warnings]) is is_told
