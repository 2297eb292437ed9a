from __future__ import annotations

from base64 import b64encode

import pytest

from secrettool.check import Repository, ciphertext_findings
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxVersion
from secrettool.flux.selectors import DECRYPT, RECONCILE, SSA
from tests.unit.check.trees import DECRYPTION, Files, flux, sealed, secret

STRING_DATA = sealed(secret(stringData={"k": "v", "l": ""}), "^stringData$")
DATA = sealed(secret(data={"k": "dmFsdWU="}), "^data$")
CLUSTER = "Kustomization/flux-system/apps"


def findings(files: Files, version: FluxVersion | None = None) -> list[Finding]:
    return ciphertext_findings(Repository(files), controller=Controller(version) if version else Controller())


def test_da_05_encrypted_string_data_without_decryption_is_an_error() -> None:
    files = {"flux.yaml": flux("apps"), "apps/s.yaml": "# note\n" + STRING_DATA}

    (found,) = findings(files)

    text = f"{CLUSTER} decrypts nothing: the cluster gets the ciphertext as value, with Ready=True"
    assert found[:7] == ("HK001", "error", text, "apps/s.yaml", 10, "Secret/shop/s", "k")
    assert found.hint is not None and "spec.decryption" in found.hint


def test_da_05_encrypted_data_without_decryption_is_an_error() -> None:
    (found,) = findings({"flux.yaml": flux("apps"), "apps/s.yaml": DATA})

    assert found[:3] == (
        "HK001",
        "error",
        f"{CLUSTER} decrypts nothing: the pass fails, the Secret is refused: is encrypted, and nothing decrypts it",
    )


def test_da_05_says_nothing_with_decryption() -> None:
    assert findings({"flux.yaml": flux("apps", decryption=DECRYPTION), "apps/s.yaml": STRING_DATA, "apps/d.yaml": DATA}) == []


def test_da_05_says_nothing_about_what_no_kustomization_applies() -> None:
    assert findings({"flux.yaml": flux("apps"), "apps/kustomization.yaml": "resources: [t.yaml]\n", "apps/s.yaml": STRING_DATA}) == []


def test_provider_that_flux_does_not_know_decrypts_nothing() -> None:
    assert [found.code for found in findings({"flux.yaml": flux("apps", decryption={"provider": "x"}), "apps/s.yaml": STRING_DATA})] == ["HK001"]


def test_decryption_of_one_kustomization_does_not_help_another() -> None:
    files = {"one.yaml": flux("apps", decryption=DECRYPTION), "two.yaml": flux("apps", "other"), "apps/s.yaml": STRING_DATA}

    (found,) = findings(files)

    assert found.text.startswith("Kustomization/flux-system/other")


def test_suspended_kustomization_is_checked_like_any_other() -> None:
    assert len(findings({"flux.yaml": flux("apps", suspend=True), "apps/s.yaml": STRING_DATA})) == 1


def test_object_that_flux_skips_is_no_danger_unless_the_guard_sees_it() -> None:
    skipped = {RECONCILE: "disabled"}
    strings = sealed(secret(skipped, stringData={"k": "v"}), "^stringData$")
    data = sealed(secret(skipped, data={"k": "dmFsdWU="}), "^data$")

    assert findings({"flux.yaml": flux("apps"), "apps/s.yaml": strings}) == []
    assert len(findings({"flux.yaml": flux("apps"), "apps/s.yaml": data})) == 1


def test_decrypt_disabled_lets_ciphertext_through_since_1_8() -> None:
    manifest = sealed(secret({DECRYPT: "disabled"}, stringData={"k": "v"}), "^stringData$")
    files = {"flux.yaml": flux("apps", decryption=DECRYPTION), "apps/s.yaml": manifest}

    (found,) = findings(files)

    assert found.text.startswith(f"decrypt: disabled keeps {CLUSTER} from opening it")
    assert findings(files, FluxVersion(1, 7, 3)) == []


def test_manifests_for_another_tool_are_no_finding() -> None:
    manifest = sealed(secret({DECRYPT: "disabled", SSA: "Ignore"}, data={"k": "dmFsdWU="}), "^data$")

    assert findings({"flux.yaml": flux("apps"), "apps/s.yaml": manifest}) == []


@pytest.mark.parametrize("fields", ["data", "spec"])
def test_other_kinds_are_reported_too(fields: str) -> None:
    plain = secret(data={"k": "v"}).replace("Secret", "ConfigMap").replace('"data"', f'"{fields}"')
    manifest = sealed(plain, f"^{fields}$")

    (found,) = findings({"flux.yaml": flux("apps"), "apps/s.yaml": manifest})

    assert found.key == f"/{fields}/k"
    assert "as it is" in found.text


def test_entry_that_is_an_encrypted_document_is_reported() -> None:
    entry = b64encode(sealed("a: b\n", "a").encode()).decode()

    (found,) = findings({"flux.yaml": flux("apps"), "apps/s.yaml": secret(data={"x.yaml": entry, "y": "dmFsdWU="})})

    assert found.key == "x.yaml"


def test_findings_hold_no_ciphertext() -> None:
    for found in findings({"flux.yaml": flux("apps"), "apps/s.yaml": STRING_DATA, "apps/d.yaml": DATA}):
        assert "ENC[" not in repr(found)
