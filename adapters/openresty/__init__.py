"""OpenResty, or nginx with the Lua module, behind the port: one document per agent, put into shared memory at once.

`document`  an agent's assignment as the Lua module takes it, and what it answers (pure)
`control`   the Lua module's control endpoint: requests, a token, errors with a code
`gateway`   the adapter: compares and sets, reads back, renews the dead-man switch, observes
"""
