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

.PHONY: help
help:  ## list the words
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/p' Makefile | expand -t 24

##### Set-up

.PHONY: venv constraints
venv: $(VENV)/.stamp  ## the development environment, in .work/venv

$(VENV)/.stamp: pyproject.toml hatch_build.py galaxy.yml requirements/constraints.txt tools/make-venv tools/find-python
	tools/make-venv "$(VENV)" "$(PYTHON)" "$(CORE)"
	touch $@
