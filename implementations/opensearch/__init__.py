"""OpenSearch 2.4 and newer, by its own client."""
