"""One file per thing that a person or a tick can do."""
