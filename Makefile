# Needs make, git and Python 3.11 or newer; everything else is installed into .venv from the hashed files under requirements/.
#
#   make demo          a tour of the commands over keys-example/, each result checked
#   make test          the tests that need nothing else (COVERAGE=1: with their coverage, which must not sink)
#   make check         what else a change must pass: format, lint, types, layers, unused things, help texts, workflows, spelling
#   make real-programs builds what `make test-real` runs into a cache folder; needs Go, and 25 minutes once
#   make fuzz          generated documents against the real sops: N documents (1000) of the set SEED (0)
#   make test-real     the tests against the real sops, age, gpg, API server, Flux and Vault
#   make soak          the sidecar for MINUTES (30) while everything happens: memory, descriptors and threads must not grow
#   make bench         time and memory, beside the real sops where it is installed
#   make docs          the documentation as HTML and as a man page in docs/_build
#   make lock          the files under requirements/ again (UPGRADE=1: with the newest versions that are seven days old)
#   make clean         removes everything that make made

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --no-input
TEST_JOBS ?= auto
REAL_JOBS ?= 4

.PHONY: help demo test check real-programs test-real fuzz soak bench docs lock clean
.PHONY: format-check lint types layers unused help-texts workflows spelling hosts tests coverage

help:
	@sed -n '3,13s/^# *//p' Makefile

demo: $(VENV)/.core
	@$(PY) tools/demo.py

test: $(if $(COVERAGE),coverage,tests)

check: format-check lint types layers unused help-texts workflows spelling hosts
	@echo "check: everything passed"

real-programs: $(VENV)/.made
	@$(PY) -m tests.interop.programs $(PROGRAMS)

# Tests that share a server run in one worker; they mostly wait, so there are more workers than processors. The programs are
# put on PATH for those that start each other, such as age its plugin.
test-real: $(VENV)/.test real-programs
	@PATH="$$($(PY) -m tests.interop.programs --path):$$PATH" $(PY) -m pytest -q -rs -n $(REAL_JOBS) --dist loadgroup -m real

fuzz: $(VENV)/.test
	@$(PY) -m tests.interop.programs sops
	@$(PY) -m tests.interop.fuzz --documents $(or $(N),1000) --seed $(or $(SEED),0)

soak: $(VENV)/.test
	@$(PY) -m tests.interop.programs etcd kubernetes kustomize source-controller
	@PATH="$$($(PY) -m tests.interop.programs --path):$$PATH" $(PY) -m tests.interop.soak --minutes $(or $(MINUTES),30)

bench: $(VENV)/.core
	@$(PY) -m tools.bench $(BENCH)

docs: $(VENV)/.docs
	@$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@$(PY) -m sphinx -q -W --keep-going -b man docs docs/_build/man
	@echo "docs: docs/_build/html/index.html, docs/_build/man/secrettool.1"

lock: $(VENV)/.release
	@PATH="$(CURDIR)/$(BIN):$$PATH" tools/lock.sh

clean:
	rm -rf $(VENV) docs/_build dist build .coverage .coverage.* coverage.json .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find secrettool tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the parts of check ---

format-check: $(VENV)/.check
	@echo "check: format" && $(BIN)/ruff format --check --quiet

lint: $(VENV)/.check
	@echo "check: lint and docstrings" && $(BIN)/ruff check --quiet

types: $(VENV)/.check
	@echo "check: types" && $(BIN)/mypy --no-error-summary

layers: $(VENV)/.check
	@echo "check: layers" && $(BIN)/lint-imports --no-logo

unused: $(VENV)/.check
	@echo "check: unused code, undeclared and unused dependencies" \
	  && $(BIN)/vulture && { said=$$($(BIN)/deptry --no-ansi secrettool 2>&1) || { echo "$$said"; exit 1; }; }

help-texts: $(VENV)/.check
	@echo "check: help texts in the documentation" && $(PY) tools/check_help.py

workflows: $(VENV)/.check
	@echo "check: workflows" && $(BIN)/zizmor --quiet --offline --no-progress .github action.yml \
	  && $(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml \
	  && $(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml \
	  && $(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

spelling: $(VENV)/.check
	@echo "check: spelling" && $(BIN)/typos

hosts:
	@echo "check: no package registry is named" && tools/check_hosts.sh

# --- the tests that need nothing else ---

tests: $(VENV)/.test
	@$(PY) -m pytest -q -n $(TEST_JOBS) -m "not real"

# The tests marked `real` count in `make test-real` only, so that the coverage is the same on every machine.
coverage: $(VENV)/.test
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -rs -n $(TEST_JOBS) -m "not real"
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage json --quiet -o coverage.json
	@$(PY) tools/check_coverage.py coverage.json

# --- the environment; a stamp for each set of requirements, older than its file when that changed ---

$(VENV)/.made:
	@for name in $(PYTHON) $(PYTHONS); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer was found ($(PYTHONS)); name one: make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "make: $$("$$found" --version) into $(VENV)"; \
	"$$found" -m venv $(VENV) || { \
	  echo "make: this Python cannot make virtual environments; on Debian and Ubuntu install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.core: $(VENV)/.made requirements/core.txt requirements/build.txt pyproject.toml
	@echo "make: installing secrettool"
	@$(INSTALL) --require-hashes -r requirements/core.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.core requirements/test.txt
	@echo "make: installing what the tests need"
	@$(INSTALL) --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.check: $(VENV)/.test requirements/check.txt
	@echo "make: installing what the checks need"
	@$(INSTALL) --require-hashes -r requirements/check.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.core requirements/docs.txt
	@echo "make: installing what the documentation needs"
	@$(INSTALL) --require-hashes -r requirements/docs.txt
	@touch $@

$(VENV)/.release: $(VENV)/.core requirements/release.txt
	@echo "make: installing what a release needs"
	@$(INSTALL) --require-hashes -r requirements/release.txt
	@touch $@
