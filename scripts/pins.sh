#!/bin/sh
# pins.sh: write requirements/*.txt anew from pyproject.toml, for every Python and system we support.
# run.txt is what `make run` needs, test.txt what `make test` needs, in the same versions; oldest.txt has the oldest
# Airflow that is supported, fake_snowflake.txt and elasticsearch_9.txt are environments of their own. None names an index.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m pip --quiet install uv
compile="env UV_CUSTOM_COMPILE_COMMAND=scripts/pins.sh .venv/bin/uv pip compile --quiet --universal --python-version 3.11
    --generate-hashes --no-emit-index-url --no-annotate --no-header"
$compile requirements/fake_snowflake.in --output-file requirements/fake_snowflake.txt
$compile requirements/elasticsearch_9.in --output-file requirements/elasticsearch_9.txt
compile="$compile pyproject.toml --group build"
$compile --extra all --group test --output-file requirements/test.txt
$compile --extra airflow --extra duckdb --extra object-store --constraint requirements/test.txt --output-file requirements/run.txt
$compile --extra all --group test --constraint requirements/oldest.in \
    --output-file requirements/oldest.txt
