"""The life of one proposal, from submission to promoted or rolled back, as a pure machine.

`step(state, event)` gives the next state and the commands that follow; one transition table is the whole law. It must
not know the clock, chance, gateways, files or the log: time comes in on events, and everything to be done goes out as
a command.
"""
