"""Draining (pure): when a track that takes no new requests may be left."""
