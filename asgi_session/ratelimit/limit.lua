-- Takes units of several policies in one step: all of them, or none.
--
-- KEYS  one key for each permit (on a Cluster they share a hash tag)
-- ARGV  now in ms (0: this server's clock), the most times that the permits are wanted (1, but for leases), and for each
--       permit: strategy (s | m), cost, consume (1 | 0), number of quotas, and for each quota: limit, window in ms
-- reply how many times they were granted (0: refused), and for each quota: room for the cost (1 | 0), remaining, reset in ms
--
-- The arithmetic is explained in windows.py, and tested to be equal to it.
-- A sliding counter is a string "start previous current …", three numbers a quota; a moving log is a list, newest first,
-- which all quotas of a policy share. Every key expires as soon as nothing in it counts any more.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local granted = tonumber(ARGV[2])

local function longest_fading(count, window, room) -- with room < count
  return math.ceil((room + 1) * window / count) - 1
end

local sliding = {}

function sliding.load(permit)
  local numbers = {}
  for number in string.gmatch(redis.call('GET', permit.key) or '', '%d+') do
    numbers[#numbers + 1] = tonumber(number)
  end
  for i, quota in ipairs(permit.quotas) do
    local start, previous, current = numbers[3 * i - 2] or 0, numbers[3 * i - 1] or 0, numbers[3 * i] or 0
    local age = now - start
    if age >= 2 * quota.window then
      start, previous, current = 0, 0, 0
    elseif age >= quota.window then
      start, previous, current = start + quota.window, current, 0
      permit.rolled = true
    elseif age < 0 then -- the clock stepped back
      start = now
      permit.rolled = true
    end
    quota.start, quota.previous, quota.current = start, previous, current
    quota.used = current + math.floor(previous * (start + quota.window - now) / quota.window)
  end
end

function sliding.save(permit, units)
  if units == 0 and not permit.rolled then return end
  local numbers, ttl = {}, 0
  for _, quota in ipairs(permit.quotas) do
    if units > 0 and quota.start == 0 then quota.start = now end
    quota.current = quota.current + units
    numbers[#numbers + 1] = string.format('%.0f %.0f %.0f', quota.start, quota.previous, quota.current)
    ttl = math.max(ttl, quota.start + 2 * quota.window - now)
  end
  redis.call('SET', permit.key, table.concat(numbers, ' '), 'PX', string.format('%.0f', ttl))
end

function sliding.reset(quota)
  if quota.start == 0 then return quota.window end
  return quota.start + quota.window - now
end

function sliding.wait(quota, cost)
  local left, room = quota.start + quota.window - now, quota.limit - cost - quota.current
  if room >= 0 then return left - longest_fading(quota.previous, quota.window, room) end
  return left + quota.window - longest_fading(quota.current, quota.window, quota.limit - cost)
end

local moving = {}

local function hit_at(key, index) return tonumber(redis.call('LINDEX', key, index)) end

-- Entries are newest first: how many of the first `length` are not older than `oldest`?
local function count_since(key, oldest, length)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if hit_at(key, middle) >= oldest then low = middle + 1 else high = middle end
  end
  return low
end

function moving.load(permit)
  local length = redis.call('LLEN', permit.key)
  if length > 0 and hit_at(permit.key, 0) > now then -- the clock stepped back: what it called the future is now
    local hits = redis.call('LRANGE', permit.key, 0, -1)
    redis.call('DEL', permit.key)
    for _, hit in ipairs(hits) do redis.call('RPUSH', permit.key, string.format('%.0f', math.min(tonumber(hit), now))) end
    redis.call('PEXPIRE', permit.key, permit.longest + 1)
  end
  for _, quota in ipairs(permit.quotas) do
    quota.key = permit.key
    quota.used = count_since(permit.key, now - quota.window, math.min(length, quota.limit))
  end
end

function moving.save(permit, units)
  if units == 0 then return end
  local stamp = string.format('%.0f', now)
  for first = 1, units, 1000 do -- Lua's stack bounds the arguments of one call
    local stamps = {}
    for i = 1, math.min(1000, units - first + 1) do stamps[i] = stamp end
    redis.call('LPUSH', permit.key, unpack(stamps))
  end
  redis.call('LTRIM', permit.key, 0, permit.most - 1)
  redis.call('PEXPIRE', permit.key, permit.longest + 1)
  for _, quota in ipairs(permit.quotas) do quota.used = quota.used + units end
end

function moving.reset(quota)
  if quota.used == 0 then return quota.window end
  return hit_at(quota.key, quota.used - 1) + quota.window - now + 1
end

function moving.wait(quota, cost)
  return hit_at(quota.key, quota.limit - cost) + quota.window - now + 1
end

local permits, at = {}, 3
for i, key in ipairs(KEYS) do
  local permit = {key = key, quotas = {}, most = 0, longest = 0}
  permit.strategy = ARGV[at] == 'm' and moving or sliding
  permit.cost, permit.consume = tonumber(ARGV[at + 1]), ARGV[at + 2] == '1'
  local quotas = tonumber(ARGV[at + 3])
  at = at + 4
  for q = 1, quotas do
    local quota = {limit = tonumber(ARGV[at]), window = tonumber(ARGV[at + 1])}
    permit.quotas[q] = quota
    permit.most, permit.longest = math.max(permit.most, quota.limit), math.max(permit.longest, quota.window)
    at = at + 2
  end
  permit.strategy.load(permit)
  for _, quota in ipairs(permit.quotas) do
    quota.room = quota.limit - quota.used
    if quota.room < permit.cost then
      granted = 0
    elseif permit.consume then
      granted = math.min(granted, math.floor(quota.room / permit.cost))
    end
  end
  permits[i] = permit
end

local reply = {granted}
for _, permit in ipairs(permits) do
  local strategy, units = permit.strategy, permit.consume and permit.cost * granted or 0
  local waits = {}
  for i, quota in ipairs(permit.quotas) do
    if permit.cost > quota.limit then
      waits[i] = quota.window
    elseif quota.room < permit.cost then
      waits[i] = strategy.wait(quota, permit.cost)
    end
  end
  strategy.save(permit, units)
  for i, quota in ipairs(permit.quotas) do
    reply[#reply + 1] = waits[i] and 0 or 1
    reply[#reply + 1] = math.max(quota.room - units, 0)
    reply[#reply + 1] = waits[i] or strategy.reset(quota)
  end
end
return reply
