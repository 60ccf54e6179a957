"""Where observations come from: gateways' counters, Prometheus, outcomes that agents push.

Resets, restarts, gaps and idle tracks are put right here, so that the analysis sees only differences that happened.
It must not know what the numbers will decide. The controller's own meters are another matter: they live in `observe`.
"""
