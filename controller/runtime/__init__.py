"""The only room that acts: one driver per agent takes events from one bounded inbox, and carries commands out.

It writes to the journal before it acts, keeps the timers, and asks adapters to apply and observe. It must not decide
what the machine in `rollout` should have decided, and must not know which kind of gateway stands behind the port.
"""
