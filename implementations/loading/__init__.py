"""What targets share: the one transaction that replaces a window, its ledger, and matching columns."""
