-- KEYS: the user's bucket, the index of the user's sessions. ARGV: user tag, how many sessions at most.
-- Returns the time (ms), the epoch, for each session that can be shown its digest and fields without its values, the digests of those
-- that are not here (see prune), and whether there may be more of either. Its cost is bounded, however many sessions a user has made:
-- the server does nothing else meanwhile.
local SHOWN = {'v', 'u', 't', 'c', 'l', 'i', 'x', 'n', 'g', 'a', 'r', 'm'}
local now = ms(now_us())
local prefix = string.sub(KEYS[1], 1, -2) .. 's:'
local most = tonumber(ARGV[2])
local looked_at = redis.call('ZREVRANGE', KEYS[2], 0, 2 * most - 1)
local sessions, absent = {}, {}
for _, digest in ipairs(looked_at) do
  if #sessions == most then
    break
  end
  local found, flat = some_fields(prefix .. digest, SHOWN)
  if not found then
    return redis.error_reply(is_elsewhere(flat) and ELSEWHERE or flat.err)
  end
  if found.v == nil then
    absent[#absent + 1] = digest
  elseif found.v == SCHEMA and now < deadline(found) then
    sessions[#sessions + 1] = {digest, flat}
  end
end
local more = #looked_at == 2 * most and #sessions < most
return {text(now), text(epoch(KEYS[1], ARGV[1]) or 1000 * now + 999), sessions, absent, more and 1 or 0}
