"""Traefik behind the port: one file (or one small document over HTTP) of ours, confirmed by Traefik's own API.

`rules`        which requests belong to an agent, in Traefik's rule language, and which rule goes first (pure)
`translation`  an agent's assignment as weighted, load balancing and mirroring services (pure)
`document`     all agents of a gateway as the one document that Traefik loads, and what of it is whose (pure)
`edition`      what was put, one document after the other, and what somebody has changed of it since (pure)
`comparison`   what Traefik's API shows, against what was written (pure)
`counters`     Traefik's metrics page, as counts per agent and version (pure)
`directory`    our own file in the directory that Traefik watches; nobody else's is touched
`endpoint`     the same document for Traefik's HTTP provider to poll
`client`       Traefik's API and its metrics page, bounded, with errors translated
`gateway`      the adapter
"""
