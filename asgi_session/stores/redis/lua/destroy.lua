-- KEYS: session, its bucket. ARGV: digest. Returns whether there was a live one.
return forget(KEYS[1], KEYS[2], ARGV[1], now_us()) and 1 or 0
