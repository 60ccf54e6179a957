"""Envoy behind the port: what each agent becomes in xDS, and what Envoy's load reports say of it.

`translation`  an agent's assignment as clusters, endpoints and routes (pure)
`latency`      access logs, summed to counts of slow answers per agent and version (pure)
`tallies`      load reports, summed per agent and version (pure)
`addresses`    host names to addresses, because Envoy takes no names in EDS
`gateway`      the adapter: publishes, waits for every node's ACK, observes
"""
