# One word per duty; `make help` lists them. Each word sets up what it needs under .work/ and reuses it the next time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# PYTHON=…  the Python to make the environment with (default: the newest one that works, 3.11 to 3.13).
# CORE=2.16 an ansible-core of its own, in an environment of its own: `make test CORE=2.16`.
# VENV=…    the environment's folder, relative to the checkout.
PYTHON ?=
CORE ?=
VENV ?= .work/venv$(CORE:%=-core-%)
PY := $(VENV)/bin/python

# Nothing in a home directory shadows the checkout; and interpreter discovery would pick a version manager's dead shim.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/dev
export ANSIBLE_PYTHON_INTERPRETER := $(CURDIR)/$(PY)
# Ansible insists on UTF-8, and so does a checkout whose path is not ASCII; a CI job may have no locale at all.
export LC_ALL := C.UTF-8

.PHONY: help
help:  ## list the words
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/p' Makefile | expand -t 24

##### Set-up

.PHONY: venv constraints
venv: $(VENV)/.stamp  ## the development environment, in .work/venv

$(VENV)/.stamp: pyproject.toml hatch_build.py galaxy.yml requirements/constraints.txt tools/make-venv tools/find-python
	tools/make-venv "$(VENV)" "$(PYTHON)" "$(CORE)"
	touch $@

##### The main job

.PHONY: demo lab bench
demo: venv  ## one change from request to closed record, without root (PEOPLE=me: you answer)
	$(PY) -m examples.demo.demo

lab: venv  ## the same change on real routers in network namespaces; needs root and Debian packages
	$(PY) -m examples.lab.lab

bench: venv  ## the figures, as ratios taken in one run (JSON=file: as JSON too)
	$(PY) tests/bench/bench.py $(if $(JSON),--json "$(JSON)")

##### Tests

# One test may take this long; the slowest start a handful of playbooks.
TIMEOUT := 300

.PHONY: test test-lab test-cores crash mutants
test: venv  ## unit, property and integration tests (ARGS=…: more arguments for pytest)
	$(PY) -m pytest -n 2 --dist loadfile --timeout $(TIMEOUT) $(ARGS)

test-lab: venv  ## the tests of the lab; need root
	$(PY) -m pytest --timeout 600 $(ARGS) tests/lab

# How many engines are killed.
N := 300
crash: venv  ## kill real engines at many moments of real runs (N=…: how many, SEED=…); nothing may be lost, nothing happen twice
	$(PY) tests/crash/crash.py $(N) $(if $(SEED),--seed $(SEED))

mutants: venv  ## planted faults, each of which must make a test fail
	$(PY) tests/mutants/mutants.py

test-cores:  ## `make test` on the other ansible-core versions, where a Python for them is found
	$(MAKE) test CORE=2.16 PYTHON="$$(tools/find-python 3.11 3.12)"
	$(MAKE) test CORE=2.21 PYTHON="$$(tools/find-python 3.12)"

##### Gates

COPY := .work/collection/ansible_collections/netops/changerail

.PHONY: check lint types imports changelog sanity ansible-lint molecule build copy
check: lint types imports changelog sanity ansible-lint molecule build  ## every gate below

lint: venv  ## ruff: mistakes and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: venv  ## mypy, strict
	$(PY) -m mypy

imports: venv  ## the import directions between the rooms
	$(VENV)/bin/lint-imports

changelog: venv  ## the changelog fragments
	$(VENV)/bin/antsibull-changelog lint

copy: venv
	tools/clean-copy "$(COPY)"

sanity: copy  ## ansible-test sanity
	tools/sanity "$(COPY)" .work/sanity-home "$(PY)"

ansible-lint: copy  ## ansible-lint, production profile
	programs=$$PWD/$(VENV)/bin; cd "$(COPY)" && PATH="$$programs:$$PATH" ansible-lint --nocolor

molecule: copy  ## molecule, every scenario of the roles on this machine (SCENARIO=checks: that one)
	tools/molecule "$(COPY)" .work/molecule "$(PY)" $(SCENARIO)

build: copy  ## build the collection and the wheel, install each into an empty place and use it
	tools/build-and-install "$(COPY)" .work/build "$(PY)"

constraints: venv  ## pin the newest versions anew
	$(PY) -m pip install -qq uv
	$(PY) -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --strip-extras --no-annotate --no-header \
	    --extra serve --extra otel --group test --group check pyproject.toml --output-file requirements/constraints.txt
	sed -i '1i # Exact versions of the development environment; `make constraints` writes it anew.' requirements/constraints.txt
