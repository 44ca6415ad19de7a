# What a developer does here, from a fresh clone on: nothing has to be installed by hand but Python 3.11 or later.
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# Touched when the environment is complete; older than a requirements file means: install again.
READY := $(VENV)/.ready
SEED ?= 1
STEPS := tests/end_to_end/test_approval.py tests/end_to_end/test_crashes.py
SLICE := tests/soak/test_soak.py
SEEDS := 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
PIN := pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet

.PHONY: help setup test stack-steps stack-scenes cluster lint types demo demo-seeds run bench bench-cost bench-quality simulate guards mutants soak runbook load load-alerts fuzz reference release audit requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## the virtual environment, and the servers' binaries where they are missing
	@$(PY) -m deploy.devstack setup

test: setup ## lint, types and all tests, against the real servers
	@$(PY) -m deploy.devstack setup --tools >/dev/null
	@$(MAKE) --no-print-directory lint types
	@echo "tests"
	@$(PY) -m pytest -q -n 2 --dist loadfile --ignore tests/end_to_end --ignore tests/cluster --ignore $(SLICE)
	@echo "tests on the whole stack, two at a time"
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target stack-steps stack-scenes

# Most of these wait for something to pass; each lane has a stack of its own.
stack-steps:
	@$(PY) -m pytest -q $(STEPS) $(SLICE)

stack-scenes:
	@$(PY) -m pytest -q tests/end_to_end $(addprefix --ignore ,$(STEPS) tests/end_to_end/test_runbook.py)

cluster: setup ## a Temporal server and the store on PostgreSQL, two workers, each of the four killed while it heals
	@$(PY) -m deploy.devstack setup --cluster
	@$(PY) -m pytest -q tests/cluster

lint: $(READY) ## ruff: rules and format
	@echo "lint"
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet .

types: $(READY) ## mypy, strict
	@echo "types"
	@$(PY) -m mypy

demo: setup ## everything embedded and a scripted incident, start to end: SEED=n for another one
	@$(PY) -m deploy.devstack demo --seed $(SEED)

demo-seeds: setup ## the demo with every seed from 1 to 20
	@failed=; for seed in $(SEEDS); do \
		echo "seed $$seed"; \
		$(PY) -m deploy.devstack demo --seed $$seed || failed="$$failed $$seed"; \
	done; \
	test -z "$$failed" || { echo "failed with seed$$failed"; exit 1; }

run: setup ## everything embedded, the loop on its schedule, until Ctrl-C
	@$(PY) -m deploy.devstack run

bench: setup ## what a healthy cycle costs above the floor, as paired ratios
	@$(PY) -m tests.bench.run

simulate: $(READY) ## a million cycles in virtual time, and 20,000 steps that shrink; every invariant is checked
	@$(PY) -m tests.simulation --json simulation.json
	@MAPEK_STEPS=20000 $(PY) -m pytest -q -n 2 -rP tests/simulation/test_state_machine.py

guards: $(READY) ## short lives that the guards have to hold: storms, circles, other writers, budgets, quorum
	@$(PY) -m tests.simulation.guard_scenarios

mutants: $(READY) ## break the product in copies, in eight ways and by each guard: every one has to be caught
	@MAPEK_MUTANTS=all $(PY) -m pytest -q tests/mutation/test_mutants.py tests/mutation/test_guard_mutants.py
	@$(PY) -m pytest -q tests/mutation/scenarios_without_guards.py

soak: setup ## an hour of faults on real processes, kills at every step; every invariant is checked (MINUTES=n, SEED=n)
	@$(PY) -m tests.soak.run --minutes $(or $(MINUTES),52) --seed $(SEED) --json soak.json

load-alerts: setup ## storms of alerts through the real servers: what is lost, doubled, refused, and how fast (half an hour)
	@$(PY) -m tests.load.alerts.run

runbook: setup ## every verb of mapek and call of the simulator in README and runbook, typed on a real stack (2 minutes)
	@$(PY) -m pytest -q tests/end_to_end/test_runbook.py

load: setup ## locust against the service: scrapes, probes and alerts at once, with a report (load-report.html)
	@$(PY) -m tests.load.run

fuzz: $(READY) ## ten minutes of mangled alerts at the webhook, and the whole service against its OpenAPI
	@$(PY) -m tests.worker.webhook.fuzz
	@MAPEK_EXAMPLES=2000 $(PY) -m pytest -q tests/worker/http/test_contract.py

bench-cost: $(READY) ## what deciding costs for 10 and for 1,000 components, and that memory stays flat
	@$(PY) -m tests.bench.cost

bench-quality: $(READY) ## decisions on labelled recordings (MAPEK_RECORDINGS=folder) beside a plain rival
	@$(PY) -m tests.bench.quality $(if $(JSON),--json $(JSON))

reference: $(READY) ## write anew what is generated: the reference, the dashboards, the operator's rules
	@$(PY) -m deploy.tools.reference
	@$(PY) -m deploy.tools.dashboards
	@$(PY) -m deploy.tools.operator_rules

release: $(READY) ## wheel, SBOM and checksums in dist/; the wheel is built twice and has to come out equal
	@$(PY) -m deploy.tools.release

audit: $(READY) ## bandit, and every dependency looked up in the public lists of vulnerabilities (needs them)
	@$(VENV)/bin/bandit -q -c pyproject.toml -r workflows activities worker deploy
	@PATH=$(VENV)/bin:$$PATH deploy/tools/release/audit.sh requirements.txt

requirements: $(READY) ## pin all dependencies anew, with hashes (needs uv)
	@uv=$(VENV)/bin/uv; test -x $$uv || uv=uv; \
	$$uv $(PIN) pyproject.toml -o requirements.txt && \
	$$uv $(PIN) --group dev pyproject.toml -o requirements-dev.txt

clean: ## remove what was made in this folder (the cache of binaries stays)
	@rm -rf $(VENV) .mapek .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in python3.12 python3.11 python3.13 python3.14 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$python"; \
			$$python -m venv --clear $(VENV) && exit 0; \
			rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo "Python 3.11 or later is needed (and its venv module)"; exit 1

$(READY): requirements-dev.txt pyproject.toml | $(PY)
	@echo "installing the Python packages, about a minute, once"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
