# The commands of a developer. Only Python 3.11 or later must be installed first.
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# Marks a complete environment; if it is older than a requirements file, the packages are installed again.
READY := $(VENV)/.ready
SEED ?= 1
STEPS := tests/end_to_end/test_approval.py tests/end_to_end/test_crashes.py
SLICE := tests/soak/test_soak.py
SEEDS := 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
PIN := pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet

.PHONY: help setup test stack-steps stack-scenes cluster lint types demo demo-seeds run bench bench-cost bench-quality simulate guards mutants soak runbook load load-alerts fuzz reference release audit requirements census clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## create the virtual environment and install missing server binaries
	@$(PY) -m deploy.devstack setup

test: setup ## lint, types and all tests against real servers
	@$(PY) -m deploy.devstack setup --tools >/dev/null
	@$(MAKE) --no-print-directory lint types
	@echo "tests"
	@$(PY) -m pytest -q -n 2 --dist loadfile --ignore tests/end_to_end --ignore tests/cluster --ignore $(SLICE)
	@echo "tests on the whole stack, two lanes"
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target stack-steps stack-scenes

# Each lane has its own stack. Most tests wait, so two lanes share the machine well.
stack-steps:
	@$(PY) -m pytest -q $(STEPS) $(SLICE)

stack-scenes:
	@$(PY) -m pytest -q tests/end_to_end $(addprefix --ignore ,$(STEPS) tests/end_to_end/test_runbook.py)

cluster: setup ## test Temporal and the store on PostgreSQL with two workers; each is killed during a remediation
	@$(PY) -m deploy.devstack setup --cluster
	@$(PY) -m pytest -q tests/cluster

lint: $(READY) ## ruff: rules and format
	@echo "lint"
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet .

types: $(READY) ## mypy, strict
	@echo "types"
	@$(PY) -m mypy

demo: setup ## start the embedded stack and play two incidents; SEED=n for others
	@$(PY) -m deploy.devstack demo --seed $(SEED)

demo-seeds: setup ## run the demo with every seed from 1 to 20
	@failed=; for seed in $(SEEDS); do \
		echo "seed $$seed"; \
		$(PY) -m deploy.devstack demo --seed $$seed || failed="$$failed $$seed"; \
	done; \
	test -z "$$failed" || { echo "failed with seed$$failed"; exit 1; }

run: setup ## start the embedded stack and keep it running until Ctrl-C
	@$(PY) -m deploy.devstack run

bench: setup ## measure the cost of a healthy cycle against a bare workflow
	@$(PY) -m tests.bench.run

simulate: $(READY) ## check every invariant in a million cycles of virtual time and 20,000 random steps
	@$(PY) -m tests.simulation --json simulation.json
	@MAPEK_STEPS=20000 $(PY) -m pytest -q -n 2 -rP tests/simulation/test_state_machine.py

guards: $(READY) ## run the scenarios of the guards: storms, oscillation, other writers, budgets, quorum
	@$(PY) -m tests.simulation.guard_scenarios

mutants: $(READY) ## break copies of the product on purpose; the tests must find every mutant
	@MAPEK_MUTANTS=all $(PY) -m pytest -q tests/mutation/test_mutants.py tests/mutation/test_guard_mutants.py
	@$(PY) -m pytest -q tests/mutation/scenarios_without_guards.py

soak: setup ## inject faults into real processes for an hour and check every invariant; MINUTES=n, SEED=n
	@$(PY) -m tests.soak.run --minutes $(or $(MINUTES),52) --seed $(SEED) --json soak.json

load-alerts: setup ## send storms of alerts to real servers; count losses, duplicates and refusals (30 minutes)
	@$(PY) -m tests.load.alerts.run

runbook: setup ## run every command of README and runbook on a real stack (2 minutes)
	@$(PY) -m pytest -q tests/end_to_end/test_runbook.py

load: setup ## load test of the HTTP service with a report (load-report.html)
	@$(PY) -m tests.load.run

fuzz: $(READY) ## send malformed alerts for ten minutes and check the service against its OpenAPI
	@$(PY) -m tests.worker.webhook.fuzz
	@MAPEK_EXAMPLES=2000 $(PY) -m pytest -q tests/worker/http/test_contract.py

bench-cost: $(READY) ## measure the cost of a decision with 10 and 1,000 components, and memory growth
	@$(PY) -m tests.bench.cost

bench-quality: $(READY) ## compare decisions on labelled recordings with a baseline; MAPEK_RECORDINGS=folder
	@$(PY) -m tests.bench.quality $(if $(JSON),--json $(JSON))

reference: $(READY) ## generate the reference, the dashboards and the Prometheus operator rules
	@$(PY) -m deploy.tools.reference
	@$(PY) -m deploy.tools.dashboards
	@$(PY) -m deploy.tools.operator_rules

release: $(READY) ## build wheel, SBOM and checksums in dist/; two builds of the wheel must be equal
	@$(PY) -m deploy.tools.release

audit: $(READY) ## check the code with bandit and the dependencies for known vulnerabilities (needs network)
	@$(VENV)/bin/bandit -q -c pyproject.toml -r workflows activities worker deploy
	@PATH=$(VENV)/bin:$$PATH deploy/tools/release/audit.sh requirements.txt

requirements: $(READY) ## pin all dependencies with hashes (needs uv)
	@uv=$(VENV)/bin/uv; test -x $$uv || uv=uv; \
	$$uv $(PIN) pyproject.toml -o requirements.txt && \
	$$uv $(PIN) --group dev pyproject.toml -o requirements-dev.txt

census: $(READY) ## count the names, and those that break a naming rule
	@$(PY) -m tests.support.census --all

clean: ## remove generated files; keep the cache of binaries
	@rm -rf $(VENV) .mapek .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@start=$$(date +%s); \
	for python in python3.12 python3.11 python3.13 python3.14 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			printf 'virtual environment in %s with %s ... ' $(VENV) $$python; \
			$$python -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; \
			echo "$$(($$(date +%s) - start)) s"; exit 0; \
		fi; \
	done; \
	echo "Python 3.11 or later with its venv module is required; install it and run make again"; exit 1

# setuptools prints a banner for every editable installation; the filter hides only that warning.
$(READY): requirements-dev.txt pyproject.toml | $(PY)
	@start=$$(date +%s); \
	printf 'Python packages (about a minute, once) ... '; \
	$(PIP) install --require-hashes -r requirements-dev.txt && \
	PYTHONWARNINGS='ignore:Editable installation' $(PIP) install --no-deps --no-build-isolation -e . && \
	echo "$$(($$(date +%s) - start)) s"
	@touch $@
