-- KEYS: the index of one user's sessions. Removes the entries of those that expired; returns how many.
local prefix = string.match(KEYS[1], '^(.*:)u:') .. 's:'
local gone = 0
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if redis.call('EXISTS', prefix .. digest) == 0 then
    gone = gone + redis.call('ZREM', KEYS[1], digest)
  end
end
return gone
