-- KEYS: session, its bucket. ARGV: slide the idle timeout if it was slid last this many ms ago ('' never)
-- Returns false (ended), or the fields, the time (ms), and the new "last seen" where it was slid.
local us = now_us()
local now = ms(us)
local found, flat = live(KEYS[1], KEYS[2], us)
if not found then
  return false
end
if ARGV[1] == '' or now - found.l < tonumber(ARGV[1]) then
  return {flat, text(now)}
end
local slid = redis.pcall('HSET', KEYS[1], 'l', text(now))
if type(slid) == 'table' and slid.err then
  return {flat, text(now)} -- the server takes no writes now (a replica, no memory left): that a touch is due keeps nobody out
end
found.l = text(now)
slide(KEYS[1], found, now)
return {flat, text(now), found.l}
