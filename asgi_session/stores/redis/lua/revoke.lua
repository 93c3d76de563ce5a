-- KEYS: session, its bucket. ARGV: digest, ms for which it stays listed.
-- Returns whether there was a live one; or the digest of the session that is meant, where its id was regenerated (see moved).
local elsewhere = moved(KEYS[1])
if elsewhere then
  return elsewhere
end
local us = now_us()
local now = ms(us)
local found = live(KEYS[1], KEYS[2], us)
publish(KEYS[2], 'ended', ARGV[1], '') -- also of one that is lost here: others may still have it in their memory
if not found then
  return 0
end
found.x = text(math.min(tonumber(found.x), now + ARGV[2]))
begin(KEYS[2])
redis.call('HSET', KEYS[1], 'r', text(now), 'x', found.x)
slide(KEYS[1], found, now)
for field in pairs(found) do
  if string.sub(field, 1, 2) == 'd:' then
    redis.call('HDEL', KEYS[1], field)
  end
end
return 1
