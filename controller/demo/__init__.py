"""The demonstration: a real gateway, small agents, honest load, and the same controller that runs in production.

It looks at the controller from outside, as an operator and a client would. The controller must not know that the demo
exists, and the demo must not reach into it: what it shows could otherwise not be had by anybody else.
"""
