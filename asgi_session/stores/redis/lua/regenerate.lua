-- KEYS: old session, new session, their bucket, their user's index (any name where anonymous)
-- ARGV: old digest, new digest, version it must have ('' any), then the changes (see apply)
-- Returns false (ended), 0 (another version), or the fields at the new key and the time (ms).
local us = now_us()
local found = live(KEYS[1], KEYS[3], us)
if not found then
  return false
end
if ARGV[3] ~= '' and found.g ~= ARGV[3] then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return redis.error_reply('EXISTS the new session id is taken')
end
publish(KEYS[3], 'ended', ARGV[1], '')
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'v', 'moved', 'to', ARGV[2])
redis.call('PEXPIRE', KEYS[1], MOVED_FOR)
local now = ms(us)
local number = issue(KEYS[3], us, found.x - now)
redis.call('HSET', KEYS[2], 'n', text(number))
if found.t then
  redis.call('ZREM', KEYS[4], ARGV[1])
  list(KEYS[4], ARGV[2], number, found.x - now)
end
apply(KEYS[2], KEYS[3], found, 4, now)
local _, flat = fields(KEYS[2])
return {flat, text(now)}
