"""Stages on object stores, through obstore: a local disk, and buckets of S3, GCS and Azure."""
