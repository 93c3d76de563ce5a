-- KEYS: session, its bucket. ARGV: digest, ms for which it stays listed. Returns whether there was a live one.
local us = now_us()
local now = ms(us)
local session, digest = where(KEYS[1], KEYS[2], ARGV[1])
local found = live(session, KEYS[2], us)
if not found then
  return 0
end
publish(KEYS[2], 'ended', digest, '')
for field in pairs(found) do
  if string.sub(field, 1, 2) == 'd:' then
    redis.call('HDEL', session, field)
  end
end
found.x = text(math.min(tonumber(found.x), now + ARGV[2]))
redis.call('HSET', session, 'r', text(now), 'x', found.x)
slide(session, found, now)
return 1
