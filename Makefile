# Every command of the project. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # all targets share one .venv
.PHONY: help install serve demo test verify check format catalog reference clean

bin := .venv/bin
service := .venv/.installed-worker
development := .venv/.installed-dev
definition := pyproject.toml constraints.txt tools/setup.sh

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(service) ## Make .venv with the supercycle command in it
	@echo "Installed. Try: $(bin)/supercycle --help"

# exec, so that Ctrl-C and SIGTERM reach the service and its own exit status is what make sees.
serve: $(service) ## Run the service on this machine until Ctrl-C; prints its address
	@exec $(bin)/supercycle serve

demo: $(service) ## Start a service, find a learning rate, train on digits, save all to demo-out/
	@exec $(bin)/python -m supercycle.cli.demo

# One file after the other in two processes: tests of one file share what they have started.
test: $(development) ## Run the tests
	@$(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

verify: check test ## Run check, test, the long tests and the benchmarks
	@$(bin)/python -m pytest -m verify --timeout 1800
	@$(bin)/python benchmarks/engine_throughput.py

check: $(development) ## Check style, format, types and import rules
	@$(bin)/ruff check
	@$(bin)/ruff format --check
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo

format: $(development) ## Format the code and apply the safe fixes
	@$(bin)/ruff check --fix
	@$(bin)/ruff format

catalog: $(development) ## Write app/domain/catalog.json anew from torchvision and our own networks
	@$(bin)/python -m worker.catalog

reference: $(development) ## Record the API's examples and write docs/reference anew
	@$(bin)/python -m tests.app.openapi.record
	@$(bin)/python -m worker.training_reference
	@$(bin)/python -m worker.error_reference
	@$(bin)/python -m supercycle.cli.reference
	@$(bin)/python -m app.settings_reference
	@$(bin)/python -m app.openapi_reference
	@$(bin)/python -m app.api_reference

clean: ## Remove caches, build products and demo-out/; keeps .venv and data/
	@rm -rf build dist demo-out *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(service): $(definition)
	@PYTHON="$(PYTHON)" tools/setup.sh worker

$(development): $(definition)
	@PYTHON="$(PYTHON)" tools/setup.sh dev
