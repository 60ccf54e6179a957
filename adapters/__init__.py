"""One file per kind of gateway, each behind the protocol of `port`.

An adapter makes its gateway take a split, reads back what the gateway took, and says what it saw. It decides nothing,
and it does not know the controller, what a rollout is, or that other kinds of gateway exist.
"""
