"""What comes before traffic: proposals of new versions, their gates, consent, and the evidence that goes back.

It knows why a candidate may be tried and who said so. It must not know gateways or weights, nor judge live traffic.
"""
