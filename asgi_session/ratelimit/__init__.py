"""Quotas: who may do how much in which time, on any number of workers.

Read in this order: ``base`` (the words, and the port that the middleware calls) → ``rules`` (what a user writes) →
``partitions`` (whose quota a request uses) → ``windows`` (the arithmetic) → ``memory`` and ``redis`` (where the counts
live) → ``fallback`` (what happens while Redis is away) → ``headers`` (what the client is told).
"""
