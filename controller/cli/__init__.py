"""The `turnout` command: one file per group of verbs, text for people and `--output json` for programs.

Apart from `run`, `validate`, `simulate` and `demo` it is a client of the HTTP API like any other, and may do nothing
that the API cannot. It must not hold logic that a second client would need.
"""
