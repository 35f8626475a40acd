"""What a connector costs whoever only imports it."""

import subprocess
import sys

PROGRAM = """
import sys
import implementations.duckdb, implementations.files, implementations.object_store.local
import implementations.elasticsearch.source, implementations.opensearch.source, pipeline_framework.testing
lazy = {"airflow", "duckdb", "elasticsearch", "obstore", "opensearchpy", "pyarrow.dataset", "sqlalchemy"}
print(sorted(lazy & set(sys.modules)))
"""


def test_connectors_and_contracts_import_no_system() -> None:
    """Clients are imported by the one who needs them, and contracts need no Airflow."""
    command = [sys.executable, "-c", PROGRAM]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
