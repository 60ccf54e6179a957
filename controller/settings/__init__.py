"""The operator's YAML: read whole or refused whole, with file, line, field and remedy; watched for changes.

``load(path)`` gives :class:`Settings`, immutable, or raises :class:`SettingsError` with every fault found. ``watch``
goes on doing so as files change. Bytes become a tree with line numbers in ``document``; the tree becomes models in
``agent``, ``gateway`` and ``access``; what holds only between documents is checked in ``consistency``; what is allowed
but doubtful is said by ``advise``. docs/settings.md is generated from the models.
"""
