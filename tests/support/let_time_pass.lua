-- KEYS: one key of a session store. ARGV: ms that shall have passed since it was written.
-- Moves every moment that the key holds, and its end, into the past: to the store it looks as if its server's clock had moved on.
local ms = tonumber(ARGV[1])
local key = KEYS[1]

local function back(field, passed)
  local value = redis.call('HGET', key, field)
  if value then
    redis.call('HSET', key, field, string.format('%.0f', value - passed))
  end
end

if redis.call('TYPE', key).ok == 'zset' then
  local scored = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for at = 1, #scored, 2 do
    redis.call('ZADD', key, string.format('%.0f', scored[at + 1] - ms * 1000), scored[at])
  end
elseif string.sub(key, -2) == ':b' then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field == 'i' or field == 'e' or string.sub(field, 1, 2) == 'e:' then
      back(field, ms * 1000)
    end
  end
else
  for _, field in ipairs({'c', 'l', 'x', 'a', 'r'}) do
    back(field, ms)
  end
  back('n', ms * 1000)
end
local left = redis.call('PTTL', key)
if left >= 0 then
  redis.call('PEXPIRE', key, string.format('%.0f', left - ms))
end
return left
