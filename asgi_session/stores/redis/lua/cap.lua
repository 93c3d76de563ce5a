-- What the steps share that keep a cap on the sessions of a user; put behind session.lua for those.

local LOOKED_AT = 1000

-- The user's other live sessions, the one whose login lies furthest back first; how many entries are behind those that may be
-- looked at in one step; and the digests that are to leave the index (see drop). Where there are some behind, revoked sessions are
-- among those, too: they are listed for information only, and live ones could hide behind them from every cap.
local function beside(index, bucket, except, us)
  local prefix = string.sub(bucket, 1, -2) .. 's:'
  local revoked = epoch(bucket, string.match(index, '[^:]+$'))
  local listed = redis.call('ZCARD', index)
  local looked_at = redis.call('ZRANGE', index, 0, LOOKED_AT - 1)
  local others, dead = {}, {}
  for _, digest in ipairs(looked_at) do
    local found, problem = some_fields(prefix .. digest, {'v', 'l', 'i', 'x', 'n', 'a', 'r'})
    if not found then
      error(is_elsewhere(problem) and {err = ELSEWHERE} or problem)
    end
    local lives = is_live(found, revoked, us)
    if lives and digest ~= except then
      others[#others + 1] = {digest = digest, login = tonumber(found.a), issued = tonumber(found.n)}
    elseif found.v == nil or (found.v == SCHEMA and not lives and listed > LOOKED_AT) then
      dead[#dead + 1] = digest
    end
  end
  table.sort(others, function(one, other)
    return one.login < other.login or (one.login == other.login and one.issued < other.issued)
  end)
  return others, listed - #looked_at, dead
end

-- Takes digests out of an index. Only for a step that is about to make a key: while a Cluster moves the slot, such a step is
-- refused before it begins (TRYAGAIN), so a session that is absent here is absent everywhere.
local function drop(index, digests)
  for _, digest in ipairs(digests) do
    redis.call('ZREM', index, digest)
  end
end
