"""Findings about a repository, without a key and without a network.

repository      the files of a tree, its Flux Kustomizations, and which manifests each of them applies
layers          what kustomization files and Flux Kustomizations change in a manifest
patches         their patches
decryption      ciphertext that nothing decrypts (HK001)
reconciliation  what Flux will do with placeholders and patched values (PH003, AN01, AN02, AN08)
"""

from secrettool.check.decryption import ciphertext_findings
from secrettool.check.reconciliation import reconciliation_findings
from secrettool.check.repository import Repository

__all__ = ["Repository", "ciphertext_findings", "reconciliation_findings"]
