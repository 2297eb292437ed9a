#!/usr/bin/env bash
# Build, decrypt, guard, apply: deploy.sh FOLDER
# With pipefail a failure of any part is the script's own, and kubectl gets either everything or nothing.
set -euo pipefail

secrettool hook build "$1" | secrettool hook guard --print | kubectl apply --server-side -f -
