-- KEYS: the user's bucket [, a session of it that stays]. ARGV: user tag, digest of the one that stays ('' none)
-- Returns 0, and changes nothing, where a session was to stay that is not live: a revoked session revokes no others.
local us = now_us()
local kept = KEYS[2] and live(KEYS[2], KEYS[1], us)
local stays = kept and kept.t == ARGV[1]
if ARGV[2] ~= '' and not stays then
  return 0
end
publish(KEYS[1], 'user', ARGV[1], stays and ARGV[2] or '') -- also where the bucket is lost: others may still have its sessions
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 1 -- no session was ever issued here, or all are over
end
begin(KEYS[1])
redis.call('HSET', KEYS[1], 'e:' .. ARGV[1], text(issue(KEYS[1], us, 0)))
if stays then
  redis.call('HSET', KEYS[2], 'n', text(issue(KEYS[1], us, 0)))
end
if redis.call('HLEN', KEYS[1]) > 256 then -- epochs older than the longest life here revoke nothing any more
  local oldest = us - 1000 * (tonumber(redis.call('HGET', KEYS[1], 'k') or 0) + 86400000)
  local all = redis.call('HGETALL', KEYS[1])
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, 2) == 'e:' and tonumber(all[at + 1]) < oldest then
      redis.call('HDEL', KEYS[1], all[at])
    end
  end
end
return 1
