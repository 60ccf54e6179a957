"""HAProxy behind the port: its Runtime API, on the socket of each of its processes.

`runtime`   one connection per command, with a time limit; errors in HAProxy's own words (I/O)
`answers`   what it answers, as values (pure)
`shares`    basis points as weights of servers (pure)
`plan`      what stands compared with what is wanted, as the commands that are left to do (pure)
`tallies`   counters of servers, summed per version across reloads (pure)
`latency`   lines of the log as counts of slow answers per version (pure)
`log_socket` where the log comes (I/O)
`disk`      the files from which a reload takes servers and shares
`process`   one HAProxy: seen, changed, read back
`gateway`   the adapter: all processes of one gateway
"""
