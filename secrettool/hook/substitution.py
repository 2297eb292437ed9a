"""Warnings about values that post-build substitution would rewrite once they are decrypted.

Substitution runs after decryption. What is in `data` is base64 and safe; a value of `stringData` or of a ConfigMap that holds `${NAME}` is not.

Source: kustomize-controller internal/controller (generate, substitute); fluxcd/pkg kustomize/kustomize_varsub.go.
"""

from __future__ import annotations

import re
from functools import lru_cache

from secrettool.findings import Finding
from secrettool.flux.selectors import PREFIX, has
from secrettool.objects import Object, ref_of, section

SUBSTITUTE = PREFIX + "substitute"

_FIELDS = {"Secret": "stringData", "ConfigMap": "data"}


@lru_cache(maxsize=1)
def _variable() -> re.Pattern[str]:
    return re.compile(r"\$\{[A-Za-z_]")


def substitution_warnings(before: Object, after: Object) -> list[Finding]:
    """`HK007` for every decrypted text that looks as if it held a variable.

    Args:
        before: The object as it came out of the build.
        after: The object after decryption.
    """
    field = _FIELDS.get(str(after.get("kind")))
    if field is None or has(after, SUBSTITUTE, "disabled"):
        return []
    old = section(before, field)
    found = [
        key
        for key, value in section(after, field).items()
        if isinstance(value, str) and old.get(key) != value and _variable().search(value) is not None
    ]
    subject = str(ref_of(after))
    return [
        Finding(
            "HK007",
            "warning",
            "the decrypted value holds ${...}, which post-build substitution rewrites",
            subject=subject,
            key=f"{field}.{key}",
            hint=f"move it to data, or annotate the object with {SUBSTITUTE}: disabled",
        )
        for key in found
    ]
