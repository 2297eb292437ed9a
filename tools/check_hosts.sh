#!/bin/sh
# Fails when a file names the host of a package registry: which registry is used is the business of whoever installs.
# The expressions are written so that they do not find themselves.
set -eu
cd "$(dirname "$0")/.."

hosts='(py[p]i|python[h]osted|n[p]mjs|crates|rubyg[e]ms)\.(org|com|io)|proxy\.go[l]ang|--(extra-)?index-ur[l]=|--find-link[s] '
if git grep --untracked --line-number --extended-regexp -e "$hosts" -- .; then
  echo "check_hosts: the lines above name a package registry" >&2
  exit 1
fi
if grep -n -i -E 'https?:|^-' requirements/*.txt; then
  echo "check_hosts: the lines above hold more than names, versions, markers and hashes" >&2
  exit 1
fi
