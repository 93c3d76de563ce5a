-- KEYS: session, its bucket. Slides the idle timeout of a live session; returns whether there was one.
local us = now_us()
local now = ms(us)
local found = live(KEYS[1], KEYS[2], us)
if not found then
  return 0
end
if now > tonumber(found.l) then
  found.l = text(now)
  redis.call('HSET', KEYS[1], 'l', found.l)
  slide(KEYS[1], found, now)
end
return 1
