-- KEYS: session, its bucket, its user's index (any name where anonymous) [, the session that it replaces, that one's bucket]
-- ARGV: digest, replaced digest, user id, user tag ('' both: anonymous), idle timeout ms, absolute timeout ms, metadata,
--       cap on the user's live sessions ('' none), whether to refuse at the cap ('1') rather than to end the oldest,
--       then field and value … (d:<key> of each value, f: the fingerprint)
-- Returns the time (ms), the issue number, and the digests of the sessions that had to make room; the digest of the session to
-- replace, where its id was regenerated (see moved); or 0 where the cap refuses.
local elsewhere = KEYS[4] and moved(KEYS[4])
if elsewhere then
  return elsewhere
end
local us = now_us()
local now = ms(us)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.error_reply('EXISTS the new session id is taken')
end
local idle = tonumber(ARGV[5])
local absolute = tonumber(ARGV[6])
local lives = math.min(idle, absolute) > 0
local others, excess = {}, 0
if ARGV[4] ~= '' and ARGV[8] ~= '' and lives then
  for _ = 1, 3 do -- also behind the dead; what still hides then counts as live, and comes up at the next logins
    local hidden, dead
    others, hidden, dead = beside(KEYS[3], KEYS[2], ARGV[2], us)
    drop(KEYS[3], dead)
    excess = #others + hidden + 1 - ARGV[8]
    if hidden == 0 or #dead == 0 then
      break
    end
  end
  if excess > 0 and ARGV[9] == '1' then
    return 0
  end
end
if KEYS[4] then
  forget(KEYS[4], KEYS[5], ARGV[2], us)
end
if not lives then
  return {text(now), text(us), {}} -- it ended before it began: nothing is kept
end
local evicted = {}
for at = 1, math.min(excess, #others) do
  evicted[at] = others[at].digest
  remove(string.sub(KEYS[2], 1, -2) .. 's:' .. evicted[at], KEYS[2], evicted[at], ARGV[4])
end
local number = issue(KEYS[2], us, absolute)
redis.call('HSET', KEYS[1], 'v', SCHEMA, 'c', text(now), 'l', text(now), 'i', text(idle), 'x', text(now + absolute),
  'n', text(number), 'g', '1')
redis.call('PEXPIRE', KEYS[1], text(math.min(idle, absolute)))
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'm', ARGV[7])
end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'u', ARGV[3], 't', ARGV[4], 'a', text(now))
  list(KEYS[3], ARGV[1], now + absolute, now)
end
for pair = 10, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[pair], ARGV[pair + 1])
end
return {text(now), text(number), evicted}
