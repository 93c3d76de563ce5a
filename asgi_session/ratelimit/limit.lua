-- Takes units of several policies in one step: all of them, or none.
--
-- KEYS  one key for each permit (on a Cluster they share a hash tag)
-- ARGV  now in ms (0: this server's clock), the most times that the permits are wanted (1, but for leases), and for each
--       permit: strategy (s | m), cost, consume (1 | 0), number of quotas, and for each quota: limit, window in ms
-- reply how many times they were granted (0: refused), ms until there is room for once more (0: there is), and for each quota:
--       room for the cost (1 | 0), remaining, reset in ms
--
-- The arithmetic is explained in windows.py, and tested to be equal to it.
-- A sliding counter is a string "start previous current …", three numbers a quota; a moving log is a list, newest first,
-- which all quotas of a policy share. Every key expires as soon as nothing in it counts any more.
-- A server makes the functions and tables of a script anew for each call, so there are few of them.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Sets `used` of each quota, and for later its counts and the start of its window.
local function load_counter(permit)
  local value, position = redis.call('GET', permit.key) or '', 1
  for _, quota in ipairs(permit) do
    local window = quota.window
    local _, stop, start, previous, current = string.find(value, '(%d+) (%d+) (%d+)', position)
    position = (stop or 0) + 1
    start, previous, current = tonumber(start or 0), tonumber(previous or 0), tonumber(current or 0)
    local age = now - start
    if age >= 2 * window then
      start, previous, current = 0, 0, 0
    elseif age > window then
      start, previous, current = start + window, current, 0
      permit.rolled = true
    elseif age < 0 then -- the clock stepped back
      start = now
      permit.rolled = true
    end
    quota.start, quota.previous, quota.current = start, previous, current
    quota.used = current + math.floor(previous * (start + window - now) / window)
  end
end

local function save_counter(permit, units)
  if units == 0 and not permit.rolled then return end
  local values, ttl = {}, 0
  for i, quota in ipairs(permit) do
    if units > 0 and quota.start == 0 then quota.start = now end
    quota.current = quota.current + units
    values[i] = quota.start .. ' ' .. quota.previous .. ' ' .. quota.current
    ttl = math.max(ttl, quota.start + 2 * quota.window - now)
  end
  redis.call('SET', permit.key, table.concat(values, ' '), 'PX', ttl)
end

-- Of the `length` newest entries of a log, how many are not older than `oldest`?
local function count_since(key, oldest, length)
  if length == 0 or tonumber(redis.call('LINDEX', key, length - 1)) >= oldest then return length end
  local low, high = 0, length - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) >= oldest then low = middle + 1 else high = middle end
  end
  return low
end

-- Sets `used` of each quota; forgets what is too old for all of them.
local function load_log(permit)
  local key, longest = permit.key, 0
  for _, quota in ipairs(permit) do longest = math.max(longest, quota.window) end
  permit.ttl = longest + 1
  local newest = tonumber(redis.call('LINDEX', key, 0) or 0)
  if newest > now then -- the clock stepped back: what it called the future is now
    local hits = redis.call('LRANGE', key, 0, -1)
    redis.call('DEL', key)
    for _, hit in ipairs(hits) do redis.call('RPUSH', key, math.min(tonumber(hit), now)) end
    redis.call('PEXPIRE', key, permit.ttl)
  end
  local length = newest > 0 and redis.call('LLEN', key) or 0
  local counting = count_since(key, now - longest, length)
  if counting == 0 and length > 0 then
    redis.call('DEL', key)
  elseif counting < length then
    redis.call('LTRIM', key, 0, counting - 1)
  end
  for _, quota in ipairs(permit) do
    quota.used = count_since(key, now - quota.window, math.min(counting, quota.limit))
  end
end

local function save_log(permit, units)
  if units == 0 then return end
  for first = 1, units, 1000 do -- Lua's stack bounds the arguments of one call
    local stamps = {}
    for i = 1, math.min(1000, units - first + 1) do stamps[i] = now end
    redis.call('LPUSH', permit.key, unpack(stamps))
  end
  redis.call('PEXPIRE', permit.key, permit.ttl)
end

-- Milliseconds until the cost fits, where it does not now.
local function wait(quota, cost, log)
  local spare = quota.limit - cost
  if spare < 0 then return quota.window end
  if log then return redis.call('LINDEX', log, spare) + quota.window - now + 1 end
  local left, count, room = quota.start + quota.window - now, quota.previous, spare - quota.current
  if room < 0 then -- it takes the next window
    left, count, room = left + quota.window, quota.current, spare
  end
  return left - math.ceil((room + 1) * quota.window / count) + 1
end

-- Milliseconds for which the rest has to last, where the cost did fit.
local function reset(quota, units, log)
  if log then
    local used = quota.used + units
    return (used > 0 and redis.call('LINDEX', log, used - 1) - now + 1 or 0) + quota.window
  end
  return quota.start == 0 and quota.window or math.max(1, quota.start + quota.window - now)
end

local granted, permits, at = tonumber(ARGV[2]), {}, 3
for i, key in ipairs(KEYS) do
  local permit = {key = key, log = ARGV[at] == 'm' and key, cost = tonumber(ARGV[at + 1]), consume = ARGV[at + 2] == '1'}
  permits[i] = permit
  for q = 1, tonumber(ARGV[at + 3]) do
    local limit, window = tonumber(ARGV[at + 2 + 2 * q]), tonumber(ARGV[at + 3 + 2 * q])
    permit[q] = {limit = limit, window = window, used = 0, start = 0, previous = 0, current = 0}
  end
  at = at + 4 + 2 * #permit
  if permit.log then load_log(permit) else load_counter(permit) end
  for _, quota in ipairs(permit) do
    local room = quota.limit - quota.used
    if room < permit.cost then
      granted = 0
    elseif permit.consume and room < permit.cost * granted then
      granted = math.floor(room / permit.cost)
    end
  end
end

local reply = {granted, 0}
for _, permit in ipairs(permits) do
  local units = permit.consume and permit.cost * granted or 0
  if permit.log then save_log(permit, units) else save_counter(permit, units) end
  for _, quota in ipairs(permit) do
    local room, n = quota.limit - quota.used, #reply
    local next_in = room - units < permit.cost and wait(quota, permit.cost, permit.log) or 0
    local fits = room >= permit.cost
    reply[2] = math.max(reply[2], next_in)
    reply[n + 1] = fits and 1 or 0
    reply[n + 2] = math.max(room - units, 0)
    reply[n + 3] = fits and reset(quota, units, permit.log) or next_in
  end
end
return reply
