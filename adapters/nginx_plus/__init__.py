"""NGINX Plus behind the port: servers of upstreams with weights, or a keyval with a percentage, through its API.

`plan`     an assignment as servers with weights, and the order in which they are changed (pure)
`counts`   peers' counters, summed per version over restarts and nodes (pure)
`api`      one instance's API: requests, and errors with a code
`instance` one agent's servers and percentage at one instance
`gateway`  the adapter: every instance at once, each for itself; observes
"""
