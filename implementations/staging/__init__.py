"""What stages share: paths with the epoch in them, Parquet parts, and the manifest that is written last."""
