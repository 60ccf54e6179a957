"""Deciding (pure): sequential tests over blocks of counts, and the verdict that follows from them."""
