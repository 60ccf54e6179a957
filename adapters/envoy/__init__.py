"""Envoy behind the port: what each agent becomes in xDS, and what Envoy's load reports say of it.

`translation`  an agent's assignment as clusters, endpoints and routes (pure)
`latency`      access logs, summed to counts of slow answers per agent and version (pure)
`tallies`      load reports, summed per agent and version (pure)
`counting`     what the nodes have told, and how much of it can be seen while some say nothing
`offers`       an assignment with its resources, what may be offered instead, whom a refusal may be about (pure)
`hosts`        agents' routes as virtual hosts, changed one agent at a time (pure)
`publication`  the gateway's snapshot, changed one agent at a time (pure)
`refreshing`   endpoints that go stale, sent again in time (the dead-man switch)
`offering`     publishes offers, waits for every node's ACK, finds out whom a NACK is about
`gateway`      the adapter: resolves, applies, refreshes, verifies, observes
"""
