"""A title for each code: what kind of thing it reports. The reference says more about each.

Source: docs/reference/hook-codes.md, docs/reference/patch-codes.md.
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
    # files of the sidecar
    "HK170": "An entry that cannot be the name of a file",
    "HK171": "Two entries of one file",
    # placeholders, and the map that fills them
    "PH001": "A placeholder that nothing fills",
    "PH002": "A mapped key that the manifest lacks",
    "PH003": "A placeholder without protection",
    "PH004": "A placeholder that is used before it is filled",
    "PH005": "A placeholder where base64 belongs",
    "PH006": "A placeholder inside a text, and no rule for the text around it",
    "PH007": "A target that the manifests do not have",
    "PH008": "Two targets write the same key",
    "PH009": "What looks like a secret beside a placeholder",
    "PH010": "A literal where the map fills",
    "MF01": "Several manifests of one object",
    "MF02": "A manifest that an object cannot be created from",
    "MF03": "A file that cannot be read as manifests",
    "MF04": "A Flux Kustomization that cannot be used",
    # protection
    "AN01": "The next pass of Flux resets a filled value",
    "AN02": "Flux deletes the object once it leaves git",
    "AN03": "Protected in the cluster, and not in git",
    "AN04": "Flux owns an object whose manifest is not known",
    "AN05": "Helm manages the object",
    "AN06": "Argo CD manages the object",
    "AN07": "An operator controls the object",
    "AN08": "Flux never creates the object",
    # the object in the cluster
    "OB01": "The object is missing",
    "NS01": "The namespace is missing",
    "KD01": "A kind that the cluster does not know",
    "IM01": "An immutable Secret",
    "LA01": "A plain copy of kubectl apply",
    "CL01": "The cluster refused, or gave no answer",
    "FD01": "A field that is no element of a list",
    "VR01": "What was written is not there",
    "FF01": "Not tried",
    # values
    "VL01": "A value is missing",
    "VL02": "A value is empty",
    "VL03": "A value is a placeholder itself",
    "VL04": "A source refuses a value",
    "VL05": "A value of another form than it should have",
    "VL06": "A source is described wrongly",
    "VL07": "A provider gives no answer",
    "VL08": "A sops file does not open",
    "VL09": "No login at a provider",
    "TP01": "A template fails",
    "FL01": "A text cannot be filled",
    # restarts and rotation
    "RS01": "A workload was not restarted",
    "RS02": "A restarted workload does not run",
    "RT01": "A new value is stored",
    "RT02": "Nothing to rotate",
    "RT03": "The new value did not pass its check",
    "RT04": "A rotation failed and was put back",
    "RT05": "A rotation failed and was not put back",
    "RT06": "An old value was not stored again",
    "RT07": "Somebody else rotated at the same time",
    # drift
    "DR01": "A placeholder is still in the cluster",
    "DR02": "A key is missing in the cluster",
    "DR03": "A value differs from its source",
    "DR04": "The protection is missing",
    "DR05": "The source has a newer version",
    "DR06": "A restart is due",
}
