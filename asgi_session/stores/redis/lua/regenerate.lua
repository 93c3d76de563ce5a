-- KEYS: old session, new session, their bucket, their user's index (any name where anonymous)
-- ARGV: old digest, new digest, then the changes (see apply)
-- Returns false (ended), or the fields at the new key and the time (ms).
local us = now_us()
local found = live(KEYS[1], KEYS[3], us)
if not found then
  return false
end
publish(KEYS[3], 'ended', ARGV[1], '')
if redis.call('RENAMENX', KEYS[1], KEYS[2]) == 0 then
  return redis.error_reply('EXISTS the new session id is taken')
end
local now = ms(us)
local number = issue(KEYS[3], us, found.x - now)
redis.call('HSET', KEYS[2], 'n', text(number))
if found.t then
  redis.call('ZREM', KEYS[4], ARGV[1])
  list(KEYS[4], ARGV[2], number, found.x - now)
end
apply(KEYS[2], KEYS[3], found, 3, now)
local _, flat = fields(KEYS[2])
return {flat, text(now)}
