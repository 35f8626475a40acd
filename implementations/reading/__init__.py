"""What sources share: times, schemas and files turned into Arrow batches of one window."""
