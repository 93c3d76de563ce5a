-- KEYS: the user's bucket, the index of the user's sessions. ARGV: user tag.
-- Returns the time (ms), the epoch and, for each session that can be shown, its digest and fields.
local now = ms(now_us())
local prefix = string.sub(KEYS[1], 1, -2) .. 's:'
local sessions = {}
for _, digest in ipairs(redis.call('ZREVRANGE', KEYS[2], 0, -1)) do
  local found, flat = fields(prefix .. digest)
  if found.v == nil then
    redis.call('ZREM', KEYS[2], digest) -- expired by its TTL
  elseif found.v == SCHEMA and now < deadline(found) then
    sessions[#sessions + 1] = {digest, flat}
  end
end
return {text(now), text(epoch(KEYS[1], ARGV[1]) or 1000 * now + 999), sessions}
