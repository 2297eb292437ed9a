module secrettool.invalid/programs/source-controller

go 1.26.0

// Only its custom resource definitions are used; nothing of it is compiled.
require github.com/fluxcd/source-controller v1.8.5
