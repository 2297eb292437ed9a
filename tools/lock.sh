#!/bin/sh
# Writes requirements/*.txt: exact versions with hashes, for every platform and Python from 3.11 on, and without a URL.
# All sets are resolved together first and each one is then held to that result, so that they agree where they overlap.
set -eu
cd "$(dirname "$0")/.."

together=$(mktemp)
trap 'rm -f "$together"' EXIT
options="--quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links"
sets="build test check docs release"
# Each is what the core needs and what the extra needs: the whole of an installation, such as that of the image.
extras="sidecar"

if [ -z "${UPGRADE:-}" ] && [ -f requirements/core.txt ]; then
  # The versions of now stay unless pyproject.toml asks for others.
  cat requirements/*.txt >"$together"
fi
groups=""
for set in $sets; do groups="$groups --group $set"; done
for extra in $extras; do groups="$groups --extra $extra"; done
# shellcheck disable=SC2086  # the options are words
uv pip compile $options ${UPGRADE:+--upgrade --exclude-newer "7 days"} $groups pyproject.toml --output-file "$together"

# shellcheck disable=SC2086
uv pip compile $options --constraints "$together" --upgrade pyproject.toml --output-file requirements/core.txt
for set in $sets; do
  # shellcheck disable=SC2086
  uv pip compile $options --constraints "$together" --upgrade --group "$set" --output-file "requirements/$set.txt"
done
for extra in $extras; do
  # shellcheck disable=SC2086
  uv pip compile $options --constraints "$together" --upgrade --extra "$extra" pyproject.toml --output-file "requirements/$extra.txt"
done
tools/check_hosts.sh
