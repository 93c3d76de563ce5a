"""L1: what this process knows of sessions without asking, and how it learns that it no longer does.

``link`` (who tells us that a session changed, and whether we may believe its silence) → ``sessions`` (the entries) → ``loader``
(from the store into an entry, once for all who wait).
"""
