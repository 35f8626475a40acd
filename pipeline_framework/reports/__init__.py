"""One file per question, read-only: what there is, never what to do about it."""
