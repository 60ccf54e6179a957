"""Kong behind the port: one upstream per agent, whose targets are weighted through the Admin API.

`weights`   an assignment as weights of targets, and the order in which they are changed (pure)
`document`  a DB-less node's whole configuration with one upstream of ours in it (pure)
`log_book`  entries of Kong's http-log plugin, summed per agent and version (pure)
`admin`     one node's Admin API: requests, pages, errors with a code
`receiver`  where Kong's http-log plugin posts to
`balancer`  what a node says that its balancer does now (pure)
`node`      one agent's upstream at one node: with a database, or without
`writing`   that at every node, so that none waits for another
`gateway`   the adapter: writes, waits until every node's balancer follows, observes
"""
