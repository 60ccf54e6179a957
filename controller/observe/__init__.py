"""How the controller itself is seen from outside: its logs and its own meters, registered here and nowhere else.

Every room above may report here. This room must not know them, must not decide anything, and must not let a secret
through.
"""
