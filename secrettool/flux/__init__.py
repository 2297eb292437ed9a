"""Pure facts about Flux: its Kustomization object, and what its next pass will do with an object.

`what_flux_does` is the one place that knows; hook, check and patcher ask it. Nothing here reads a file or talks to a cluster.

    controller      the versions of kustomize-controller, and what changed between them
    kustomization   the Flux Kustomization object
    selectors       the annotations and labels by which an object opts out
    ignore          the rules of `spec.ignore`
    fields          an object as fields with paths
    live            an object in the cluster with the managers of its fields; how writes change both
    secret          what Flux and the API server do to a Secret: normalisation, refusals
    effect          what becomes of an object
    reconcile       one pass, and the end of a Kustomization
"""

from secrettool.flux.controller import NEWEST, Controller, FluxVersion
from secrettool.flux.effect import Action, Effect
from secrettool.flux.kustomization import FluxKustomization, is_flux_kustomization
from secrettool.flux.live import APPLY_MANAGER, PATCH_MANAGER, RESTART_MANAGER, LiveObject
from secrettool.flux.reconcile import build_failed, what_deletion_does, what_flux_does

__all__ = [
    "APPLY_MANAGER",
    "NEWEST",
    "PATCH_MANAGER",
    "RESTART_MANAGER",
    "Action",
    "Controller",
    "Effect",
    "FluxKustomization",
    "FluxVersion",
    "LiveObject",
    "build_failed",
    "is_flux_kustomization",
    "what_deletion_does",
    "what_flux_does",
]
