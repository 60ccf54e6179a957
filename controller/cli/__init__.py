"""The `turnout` command: one file per group of verbs, text for people and `--output json` for programs.

Apart from `run`, `validate`, `simulate`, `token`, `demo` and `history` of a file, it is a client of the HTTP API like
any other, and may do nothing that the API cannot. It must not hold logic that a second client would need.

`main`        the verbs by name; loads a verb's file when it is called, so that `--help` starts fast
`options`     what several verbs take: `--url`, `--token-file`, `--output`, percentages, addresses
`failure`     exit codes, and how a refusal is told
`console`     text for people, JSON for programs, nothing that a terminal would obey
`connection`  the API over HTTP, bounded in time and size
`picture`     what the API says of agents and gateways, as values
`screen`      the live view, drawn from those values (pure)
"""
