-- KEYS: a bucket. Ends every session of it that was issued until now.
publish(KEYS[1], 'all', '', '') -- also where the bucket is lost: others may still have its sessions
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0 -- no session was ever issued here, or all are over
end
begin(KEYS[1])
redis.call('HSET', KEYS[1], 'e', text(issue(KEYS[1], now_us(), 0)))
return 1
