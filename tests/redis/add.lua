-- Adds ARGV[1] to KEYS[1]; returns the key, the sum and what ARGV[2] says.
return {KEYS[1], redis.call("INCRBY", KEYS[1], ARGV[1]), ARGV[2]}
