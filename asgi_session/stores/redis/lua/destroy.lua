-- KEYS: session, its bucket. ARGV: digest.
-- Returns whether there was a live one; or the digest of the session that is meant, where its id was regenerated (see moved).
return moved(KEYS[1]) or (forget(KEYS[1], KEYS[2], ARGV[1], now_us()) and 1 or 0)
