"""From a folder to the objects that would be applied: the steps of a Flux pass around the hook.

kustomize     the program: finding it, calling it
references    the paths that kustomization files name; none may leave the root
fields        which fields a kustomization file has
generate      the kustomization file as Flux writes it before a build
plain         folders of manifests without a kustomization file
substitute    variables after the build
envsubst      the dialect of `${variable}`
placeholder   markers instead of values, for a build without keys
render        all steps in their order
"""
