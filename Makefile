# `make up` builds the whole platform of SITE; `make test` proves it. `make help` lists the rest.
SITE ?= sites/sandbox.yaml
TESTS ?= tests
# Tests that need no running site: they take every processor there is.
ALONE := tests/unit tests/program tests/charts
# Each has tests of its own, run with its own settings.
SERVICES := model_server risk_scoring text_encoder valuation hs_classification xray_inspection declaration_router \
  language_assistant

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Published declarations that lie in a folder data/customs beside this checkout are used; PORTOLAN_DATA names another folder.
export PORTOLAN_DATA ?= $(firstword $(abspath $(wildcard ../*/data/customs)))
# The report's text, where it lies beside this checkout: the tests then compare every requirement row with it.
export PORTOLAN_REPORT ?= $(firstword $(abspath $(wildcard ../*/report/wco-ai-ml-report.fr.txt)))

# `make scenario NAME`: the second word is no target but the scenario's name.
ifeq ($(firstword $(MAKECMDGOALS)),scenario)
NAME := $(word 2,$(MAKECMDGOALS))
$(eval .PHONY: $(NAME))
$(if $(NAME),$(eval $(NAME): ; @:))
endif

.PHONY: help prepare up down status test scenario lint verify preview converge bench size clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | column -t -s '|'

prepare: ## Install what the kit itself needs (Debian packages, Python environment, Go)
	@tools/prepare

up: prepare ## From SITE to a running, verified platform
	@portolan up $(SITE)

down: prepare ## Take the hosts of SITE down and remove its state
	@portolan down $(SITE)

status: prepare ## Show the stages, hosts and services of SITE
	@portolan status $(SITE)

test: prepare ## All tests; starts the sandbox that they need, and runs the scenarios whose files changed
	@for service in $(SERVICES); do \
	  pytest --config-file services/$$service/pyproject.toml --rootdir services/$$service services/$$service/tests || exit 1; \
	done
	@$(if $(filter tests,$(TESTS)),pytest --numprocesses auto --dist loadfile $(ALONE))
	@pytest $(TESTS) $(if $(filter tests,$(TESTS)),$(ALONE:%=--ignore %))

scenario: prepare ## Run one long test in a sandbox of its own: make scenario NAME (without NAME: list them)
	@python -m tests.scenarios $(NAME)

lint: prepare ## ruff, mypy, ansible-lint, yamllint, helm lint, shellcheck
	@ruff check .
	@ruff format --check .
	@mypy
	@yamllint --strict .
	@ansible-lint --offline -q ansible
	@for chart in charts/*/; do \
	  "$$(portolan bundle path helm)" lint --quiet --values "tests/charts/good/$$(basename "$$chart").yaml" "$$chart"; \
	done
	@shellcheck tools/prepare .ci/run ansible/roles/hardening/files/benchmark ansible/roles/wireguard/files/tunnel

verify: prepare ## Measure the running platform of SITE against its plan
	@portolan verify $(SITE)

preview: prepare ## Show that the platform is what the program says
	@portolan platform preview $(SITE) --expect-no-changes

converge: prepare ## Run the playbook again; fails if a host changed
	@portolan converge $(SITE) --expect-no-changes

bench: prepare ## Measure provisioning against its peers; writes build/benchmarks
	@python -m benchmarks.provisioning

size: prepare ## Print the plan of SITE
	@portolan size $(SITE)

clean: ## Remove build output and the Python environment (state and caches stay)
	@rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
