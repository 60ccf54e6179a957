"""The HTTP surface: what operators, pipelines and agents ask for, and what they may see.

It turns requests into events for the drivers, and what the drivers and the journal know into answers and problems
(RFC 9457). It must not know how a decision is made, nor speak to a gateway: it asks, the runtime acts.
"""
