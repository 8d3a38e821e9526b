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

# Tools whose dependencies would hold back the rest have an environment of their own.
DOCS_VENV := .work/venv-docs
EDA_VENV := .work/venv-eda
OPENID_PROVIDER := .work/openid-provider
IMPORTER_VENV := .work/venv-importer
MADE_FROM := pyproject.toml hatch_build.py galaxy.yml requirements/constraints.txt tools/make-venv tools/find-python

.PHONY: venv eda-venv openid-provider constraints
venv: $(VENV)/.stamp  ## the development environment, in .work/venv

$(VENV)/.stamp: $(MADE_FROM)
	tools/make-venv "$(VENV)" "$(PYTHON)" "$(CORE)" test $(if $(CORE),,check browser)
	touch $@

eda-venv: $(EDA_VENV)/.stamp  ## the environment with ansible-rulebook, which the tests of the rulebooks use

openid-provider: $(OPENID_PROVIDER)/.stamp  ## a real OpenID Connect provider, which the tests of signing in use

$(DOCS_VENV)/.stamp: $(MADE_FROM)
	tools/make-venv "$(DOCS_VENV)" "$(PYTHON)" "" docs
	touch $@

$(EDA_VENV)/.stamp: $(MADE_FROM)
	tools/make-venv "$(EDA_VENV)" "$(PYTHON)" "" eda
	touch $@

$(OPENID_PROVIDER)/.stamp: tests/openid/package.json tests/openid/package-lock.json tools/make-openid-provider
	tools/make-openid-provider "$(OPENID_PROVIDER)" "$(PYTHON)"
	touch $@

$(IMPORTER_VENV)/.stamp: $(MADE_FROM) requirements/importer.txt
	CONSTRAINTS=requirements/importer.txt tools/make-venv "$(IMPORTER_VENV)" "$(PYTHON)" "" importer
	touch $@

##### The main job

.PHONY: demo lab practice bench pictures
demo: venv  ## one change from request to closed record, without root (PEOPLE=me: you answer here, PEOPLE=web: in a browser)
	$(PY) -m examples.demo.demo

lab: venv  ## the same change on real routers in network namespaces; needs root and Debian packages
	$(PY) -m examples.lab.lab

practice: venv  ## network practice on five edge routers: canary and waves, drain, rollback timer, freeze, emergency; needs root
	$(PY) -m examples.practice.practice

bench: venv  ## the figures, as ratios taken in one run (JSON=file: as JSON too)
	$(PY) tests/bench/bench.py $(if $(JSON),--json "$(JSON)")

pictures: venv  ## the pictures of the documentation, of real runs and pages, in docs/pictures (Debian: chromium)
	PYTHONPATH=tests $(PY) tools/docs/pictures.py docs/pictures
	PYTHONPATH=tests $(PY) tools/docs/pages.py docs/pictures

##### Tests

# One test may take this long; the slowest start a handful of playbooks.
TIMEOUT := 300
# The slowest files have few tests and would be sorted to the end, where one worker runs them alone (--no-loadscope-reorder).

.PHONY: test test-lab test-cores crash faults mutants
test: venv  ## unit, property and integration tests (ARGS=…: more arguments for pytest)
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --timeout $(TIMEOUT) $(ARGS)

test-lab: venv  ## the tests of the lab; need root
	$(PY) -m pytest --timeout 600 $(ARGS) tests/lab

# How many engines `make crash` kills, how many calls `make faults` makes.
N :=
crash: venv  ## kill real engines at many moments of real runs (N=…: how many, SEED=…); nothing may be lost, nothing happen twice
	$(PY) tests/crash/crash.py $(N) $(if $(SEED),--seed $(SEED))

faults: venv  ## calls and workflows while ServiceNow and GitLab fail at random (N=…: how many calls, SEED=…); the same must hold
	$(PY) tests/faults/faults.py $(N) $(if $(SEED),--seed $(SEED))

mutants: venv  ## planted faults, each of which must make a test fail
	$(PY) tests/mutants/mutants.py

test-cores:  ## `make test` on the other ansible-core versions, where a Python for them is found
	$(MAKE) test CORE=2.16 PYTHON="$$(tools/find-python 3.11 3.12)"
	$(MAKE) test CORE=2.21 PYTHON="$$(tools/find-python 3.12)"

##### Gates

# A copy for each environment: ansible-test keeps its own inside.
COPY := .work/collection$(CORE:%=-%)/ansible_collections/netops/changerail

.PHONY: check lint types imports changelog sanity units cores ansible-lint molecule docs-lint docs importer build copy
check: lint types imports changelog cores ansible-lint molecule docs-lint docs importer build  ## every gate below

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
	tools/ansible-test sanity "$(COPY)" .work/ansible-test "$(PY)"

units: copy  ## ansible-test units: the unit tests where the collection lies, not installed
	tools/ansible-test units "$(COPY)" .work/ansible-test "$(PY)" --requirements

cores:  ## sanity and units on the ends of what is supported: core 2.19 with Python 3.11, core 2.21 with Python 3.13
	for pair in 2.19:3.11 2.21:3.13; do \
	    core=$${pair%:*} version=$${pair#*:}; \
	    if python=$$(tools/find-python "$$version" "$$version" 2>/dev/null); then \
	        $(MAKE) sanity units CORE="$$core" PYTHON="$$python" VENV=".work/venv-$$core-$$version"; \
	    else \
	        echo "LEFT OUT: ansible-test on core $$core: there is no Python $$version"; \
	    fi; \
	done

ansible-lint: copy  ## ansible-lint, production profile
	programs=$$PWD/$(VENV)/bin; cd "$(COPY)" && PATH="$$programs:$$PATH" ansible-lint --nocolor

molecule: copy  ## molecule, every scenario of the roles on this machine (SCENARIO=checks: that one)
	tools/molecule "$(COPY)" .work/molecule "$(PY)" $(SCENARIO)

docs-lint: copy $(DOCS_VENV)/.stamp  ## antsibull-docs: the plugins' documentation
	programs=$$PWD/$(DOCS_VENV)/bin; cd "$(COPY)" && PATH="$$programs:$$PATH" ANSIBLE_COLLECTIONS_PATH="$$(cd ../../.. && pwd)" \
	    antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .

importer: copy $(IMPORTER_VENV)/.stamp  ## galaxy-importer: what Galaxy and Automation Hub would say
	tools/import "$(COPY)" .work/importer "$(IMPORTER_VENV)"

# LINKS=external looks at the links to other sites as well, which takes a network.
DOCS := .work/docs
docs: $(DOCS_VENV)/.stamp  ## the documentation as a site in .work/docs/html; a dead link is an error (LINKS=external: also to other sites)
	$(DOCS_VENV)/bin/python tools/docs/assemble.py "$(DOCS)/source"
	PATH="$$PWD/$(DOCS_VENV)/bin:$$PATH" $(DOCS_VENV)/bin/antsibull-docs collection --use-current --fail-on-error --squash-hierarchy \
	    --dest-dir "$(DOCS)/source/reference/collection" netops.changerail
	$(DOCS_VENV)/bin/sphinx-build -qWT --keep-going -c tools/docs -d "$(DOCS)/doctrees" -b html "$(DOCS)/source" "$(DOCS)/html"
	$(if $(LINKS),$(DOCS_VENV)/bin/sphinx-build -qW --keep-going -c tools/docs -d "$(DOCS)/doctrees" -b linkcheck "$(DOCS)/source" "$(DOCS)/links")
	@echo "$(DOCS)/html/index.html"

build: copy  ## build the collection and the wheel, install each into an empty place and use it
	tools/build-and-install "$(COPY)" .work/build "$(PY)"

constraints: venv  ## pin the newest versions anew
	$(PY) -m pip install -qq uv
	$(PY) -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --strip-extras --no-annotate --no-header \
	    --extra serve --extra otel --group test --group check --group browser --group docs --group eda --group openid pyproject.toml --output-file requirements/constraints.txt
	sed -i '1i # Exact versions of the development environment; `make constraints` writes it anew.' requirements/constraints.txt
	$(PY) -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --strip-extras --no-annotate --no-header \
	    --extra serve --extra otel --group importer pyproject.toml --output-file requirements/importer.txt
	sed -i '1i # Exact versions beside galaxy-importer, which holds some back; `make constraints` writes it anew.' requirements/importer.txt
