"""A table of an SQLite file, as source and as target."""
