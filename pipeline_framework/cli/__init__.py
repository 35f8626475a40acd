"""The command `pipeline`: reads arguments, calls operations and reports, prints; decides nothing."""
