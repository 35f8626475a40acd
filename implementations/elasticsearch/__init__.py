"""Elasticsearch 8 and 9."""
