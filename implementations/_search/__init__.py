"""What Elasticsearch and OpenSearch have in common: their answers differ in two addresses and one order."""
