# `make` lists the commands. Only Python 3.11 to 3.14 and make are needed; everything goes into .venv and var.
ifeq ($(OS),Windows_NT)
$(error Airflow does not run on Windows: use WSL (https://learn.microsoft.com/windows/wsl) and run make there)
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run airflow test oldest lint types fast bench pins clean
BIN := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 18

run: setup ## the example on real data: one window through the DAG, the rest by backfill
	@$(BIN)/python -m scripts.run_example

airflow: setup ## Airflow with the example's DAG, until Ctrl-C
	@$(BIN)/python -m scripts.show_airflow

test: setup-test lint types ## everything that has to pass
	$(BIN)/pytest -n 2 -m "not airflow"
	$(BIN)/pytest -m airflow

oldest: ## the DAG's tests on the oldest Airflow that is supported
	@scripts/setup.sh oldest
	.venv-oldest/bin/pytest -W default tests/airflow_provider

fast: setup-test ## tests that need no server, in seconds
	$(BIN)/pytest -q -m "not services and not airflow and not slow"

lint: setup-test ## ruff: style, habits, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-test ## mypy --strict
	$(BIN)/mypy

bench: setup-test ## figures, each as a ratio against a reference of the same run
	@for figure in benchmarks/[a-z]*.py; do $(BIN)/python $$figure || exit 1; done

setup:
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

pins: setup-test ## write requirements/*.txt anew from pyproject.toml
	@scripts/pins.sh

clean: ## take away .venv, var and what the example wrote
	rm -rf .venv .venv-oldest .venv-fake_snowflake .venv-elasticsearch_9 var
	cd examples/flights && rm -rf control.db control.db-* stage warehouse.duckdb warehouse.duckdb.*
