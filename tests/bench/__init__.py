"""Benchmarks: ``make bench``. Every figure is a ratio to a floor that was measured in the same run.

The floor of the xDS server is a bare grpc.aio server that sends the same bytes to the same clients: what is above it is
ours. Absolute times are printed beside the ratios for orientation; they say more about the machine than about Turnout.
"""
