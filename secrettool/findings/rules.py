"""A title for each code: what kind of thing it reports. The reference says more about each.

Source: docs/reference/hook-codes.md.
"""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    # what reconciliation does with secrets
    "HK001": "An encrypted object that nothing decrypts",
    "HK007": "A decrypted value that substitution would rewrite",
    "HK008": "Decrypted without a check of the MAC",
    "HK009": "A name that depends on ciphertext",
    # keys
    "HK101": "The Secret with the keys is missing",
    "HK102": "The Secret with the keys cannot be read",
    "HK103": "An entry of the Secret with the keys is broken",
    "HK104": "A key provider that is not supported",
    # encrypted documents
    "HK110": "Not an encrypted document of this format",
    "HK111": "No key opens the document",
    "HK112": "A value does not open",
    "HK113": "A value that should be encrypted is not",
    "HK114": "The MAC does not fit",
    "HK115": "The output format cannot hold the document",
    # files
    "HK120": "Larger than the limit",
    "HK121": "Not a regular file inside the source",
    "HK122": "No kustomization file",
    "HK123": "More than one kustomization file",
    "HK124": "A kustomization file that cannot be read",
    "HK130": "An address of Vault without a login",
    # the build
    "HK140": "The path of the Kustomization is missing",
    "HK141": "A component that cannot be used",
    "HK142": "The build failed",
    "HK143": "The build would leave the source",
    "HK144": "Variables cannot be substituted",
    "HK145": "Not a Kubernetes object",
    # the guard
    "HK150": "Ciphertext in a value",
    "HK151": "An encrypted document in an entry",
    "HK152": "A placeholder",
    "HK153": "A Secret that is too large",
    "HK154": "A generator that did not run",
    # functions of kustomize
    "HK160": "A configuration of a function that cannot be used",
    "HK161": "A key that is produced twice",
    "HK162": "Not a resource list",
    "HK163": "A decrypted file that cannot be used",
    # placeholders and protection
    "AN01": "The next pass of Flux resets a filled value",
    "AN02": "Flux deletes the object once it leaves git",
    "AN08": "Flux never creates the object",
    "PH003": "A placeholder without protection",
}
