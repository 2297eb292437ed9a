"""Findings about a repository, without a key and without a network.

inspection      all of them at once
repository      the files of a tree, its Flux Kustomizations, and which manifests each of them applies; unreached: the others
layers          what kustomization files and Flux Kustomizations change in a manifest; patches: their patches
mapped          what a map fills, and what is wrong with it (MF01, PH002, PH007, PH008)
placeholders    what is wrong with placeholders where they stand (PH001, PH004 to PH006, PH009, PH010); secretlike: what looks like a secret
protection      placeholders that nothing protects, outside of what reconciliation looks at (PH003, AN01, AN08)
reconciliation  what Flux will do with Secrets that something fills (PH003, AN01, AN02, AN08)
decryption      ciphertext that nothing decrypts (HK001)
lines           where leaves are written
"""

from secrettool.check.decryption import ciphertext_findings
from secrettool.check.inspection import inspect
from secrettool.check.mapped import Mapped, MappedKey, MappedObject
from secrettool.check.reconciliation import reconciliation_findings
from secrettool.check.repository import Repository

__all__ = ["Mapped", "MappedKey", "MappedObject", "Repository", "ciphertext_findings", "inspect", "reconciliation_findings"]
