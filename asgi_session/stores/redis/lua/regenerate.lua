-- KEYS: old session, new session, their bucket, their user's index (any name where anonymous)
-- ARGV: old digest, new digest, version it must have ('' any), then the changes (see apply)
-- Returns false (ended), 0 (another version), size and largest field (see too_large), or the fields at the new key and the time (ms).
-- With a new login among the changes, it is a login that takes over what the old session holds. Like one that replaces a session
-- (create), it reaches a session whose id was regenerated (then returns its digest, see moved), and what it makes is a session of
-- its own: no marker leads there, and a logout that was on its way to the old session does not end the new one.
local login = ARGV[7] ~= ''
local elsewhere = login and moved(KEYS[1])
if elsewhere then
  return elsewhere
end
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
local refusal = too_large(found, 4)
if refusal then
  return refusal
end
begin(KEYS[3])
publish(KEYS[3], 'ended', ARGV[1], '')
redis.call('RENAME', KEYS[1], KEYS[2])
if not login then
  redis.call('HSET', KEYS[1], 'v', 'moved', 'to', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], MOVED_FOR)
end
local now = ms(us)
local number = issue(KEYS[3], us, found.x - now)
redis.call('HSET', KEYS[2], 'n', text(number))
if found.t then
  redis.call('ZREM', KEYS[4], ARGV[1])
  list(KEYS[4], ARGV[2], found.x, now)
end
return {apply(KEYS[2], KEYS[3], found, 4, now), text(now)}
