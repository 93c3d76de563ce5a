-- What every script of the store shares; put in front of each of them.
--
-- Keys of one bucket share the hash tag {bucket}, so all of them live in one slot:
--   ns:{b}:s:<digest>     hash    a session. Fields: v schema, u user id, t user tag, c created, l last seen, i idle timeout,
--                                 x absolute end, a authenticated, r revoked (all in ms), n issued, g version, m metadata,
--                                 f fingerprint, and d:<key> for each value. After a regeneration, for a minute: v "moved" and "to",
--                                 the digest under which the session lives on (see moved)
--   ns:{b}:b              hash    the bucket: i last issue number, e epoch of everything, e:<tag> epoch of one user,
--                                 k longest absolute timeout (ms) of its sessions
--   ns:{b}:u:<tag>        zset    index of one user's sessions: digest, scored by its absolute end (µs)
-- An issue number is the server's time in microseconds, never given twice in a bucket and never smaller than the one before, so
-- "issued at or before the epoch" is exact even when the server's clock steps back. Every key has a TTL; the bucket outlives
-- every session of it. Where it is lost nevertheless (evicted, deleted by hand), they are over: nobody knows any more which of them
-- were revoked. Hence no bucket, no live session; and a bucket that begins has an epoch which ends whatever was issued before it.
--
-- Whether a session is live is decided from declared keys alone (the session and its bucket). While a Cluster moves the slot, a
-- script whose declared keys are not all in one place is refused; a key that a script only computes would look absent instead,
-- and an absent epoch would bring a revoked session back. Whoever ends a session whose id was regenerated is therefore told where
-- it is now (see moved), and calls again with that key declared. By computed names are reached only the index, which decides
-- nothing, and at a login under a cap the user's other sessions (see beside and drop).
--
-- What an abort leaves. A server refuses the first write of a script or none (READONLY, MISCONF, NOREPLICAS; OOM where that write may
-- take memory), so what it refuses is refused as a whole. Only a computed key may be refused later, by a Cluster which
-- has it elsewhere just now: it is reached before the first write, or by a pcall. What still can break off is a missing right (see
-- docs/deployment.md); so what ends a session comes before what tidies up after it, and a new key gets its TTL with its first fields.

-- Set in front of this: SHARDED, whether the server is a node of a Cluster; NEWS, how the channel of all news ends elsewhere.
local SCHEMA = '1'

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function ms(us)
  return math.floor(us / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

-- News for the processes that keep sessions in their memory (asgi_session/cache/link.py reads it): kind, bucket, subject, detail.
-- Published before the first write that changes anything: a server that refuses to publish then refuses the step as a whole. On
-- a Cluster, a node that is just taking a slot over may not publish to its channel yet; whoever follows the channel knows that the
-- slot moves, and trusts nothing of it meanwhile.
local function publish(bucket, kind, subject, detail)
  local name = string.match(string.sub(bucket, 1, -3), '{(.*)}$')
  local news = kind .. ' ' .. name .. ' ' .. subject .. ' ' .. detail
  if SHARDED then
    local said = redis.pcall('SPUBLISH', string.sub(bucket, 1, -2) .. 'n', news)
    if type(said) == 'table' and said.err and string.find(said.err, 'user', 1, true) then
      error('the Redis user may not publish: grant it the channels of the namespace')
    end
  else
    redis.call('PUBLISH', string.match(bucket, '^(.-):{') .. NEWS, news)
  end
end

local function index_of(bucket, tag)
  return string.sub(bucket, 1, -2) .. 'u:' .. tag
end

-- A TTL that only ever grows; nothing where the key is absent.
local function outlive(key, left)
  if redis.call('PTTL', key) < left then
    redis.call('PEXPIRE', key, text(left))
  end
end

-- The bucket must know the longest life in it: its own TTL and the age at which an epoch is forgotten follow from it.
local function lengthen(bucket, left)
  if (tonumber(redis.call('HGET', bucket, 'k') or 0)) < left then
    redis.call('HSET', bucket, 'k', text(left))
  end
  outlive(bucket, left + 60000)
end

local function issue(bucket, us, left)
  local last = redis.call('HGET', bucket, 'i')
  local number = math.max(us, tonumber(last or 0) + 1)
  if last then
    redis.call('HSET', bucket, 'i', text(number))
  else
    redis.call('HSET', bucket, 'i', text(number), 'e', text(number - 1))
  end
  lengthen(bucket, left)
  return number
end

-- The first write of what ends a session: it changes nothing and takes no memory. A server that takes no writes refuses the step
-- here, before anybody is told of an end; and one that is out of memory lets a script finish whose first write takes none: an end
-- must not wait until somebody has made room.
local function begin(bucket)
  redis.call('HDEL', bucket, '')
end

-- Sessions issued until then are revoked; nil where the bucket is lost.
local function epoch(bucket, tag)
  local found = redis.call('HMGET', bucket, 'e', 'e:' .. (tag or ''), 'i')
  return found[3] and math.max(tonumber(found[1] or 0), tonumber(found[2] or 0))
end

local function fields(session)
  local flat = redis.call('HGETALL', session)
  local found = {}
  for at = 1, #flat, 2 do
    found[flat[at]] = flat[at + 1]
  end
  return found, flat
end

local function deadline(found)
  return math.min(found.l + found.i, tonumber(found.x))
end

-- Whether these fields are of a live session: neither absent, nor of another schema, revoked (see epoch) or expired. The one place
-- that decides.
local function is_live(found, revoked, us)
  return found.v == SCHEMA and not found.r and revoked and tonumber(found.n) > revoked and ms(us) < deadline(found)
end

-- The fields of a live session, else nil.
local function live(session, bucket, us)
  local found, flat = fields(session)
  if found.v and is_live(found, epoch(bucket, found.t), us) then
    return found, flat
  end
  return nil
end

-- Gives the session the TTL that its times mean. A TTL of zero or less removes it.
local function slide(session, found, now)
  local left = deadline(found) - now
  if left <= 0 then
    redis.call('DEL', session)
  else
    redis.call('PEXPIRE', session, text(left))
  end
end

local MOVED_FOR = 60000 -- ms: longer than a request takes

-- Whoever ends a session means the session, not its id: a logout that was on its way while another request regenerated the id
-- has to reach the new one. Returns the digest under which the session lives on, nil where its id was not regenerated. A step that
-- finds one returns it and changes nothing; whoever called takes the step again with the new key declared.
local function moved(session)
  local marker = redis.call('HMGET', session, 'v', 'to')
  return marker[1] == 'moved' and marker[2] or nil
end

-- Ends a session and forgets it; `tag`: of its user, where it has one.
local function remove(session, bucket, digest, tag)
  begin(bucket)
  publish(bucket, 'ended', digest, '')
  redis.call('DEL', session)
  if tag then
    redis.pcall('ZREM', index_of(bucket, tag), digest) -- refused where a Cluster has the index elsewhere just now: a list drops it
  end
end

-- The same of one that may be over already; returns whether it was live.
local function forget(session, bucket, digest, us)
  local found = live(session, bucket, us)
  remove(session, bucket, digest, redis.call('HGET', session, 't'))
  return found ~= nil
end

-- Some fields of a session whose key is only computed, by name and as a flat list; else nil and why: the key may be elsewhere.
local function some_fields(session, names)
  local values = redis.pcall('HMGET', session, unpack(names))
  if values.err then
    return nil, values
  end
  local found, flat = {}, {}
  for at, name in ipairs(names) do
    if values[at] then
      found[name] = values[at]
      flat[#flat + 1] = name
      flat[#flat + 1] = values[at]
    end
  end
  return found, flat
end

-- Lists a session in its user's index until its absolute end (ms). Drops what is over by its own, so that the index can't keep
-- growing. That a key is absent says that its session is over only where no slot can be on its way: then the next two to end are
-- looked at, too. On a Cluster, a session that is not here may live on another node, and be lost from the index for good.
local function list(index, digest, ends, now)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(1000 * now))
  if not SHARDED then
    local prefix = string.match(index, '^(.*:)u:') .. 's:'
    for _, next_to_end in ipairs(redis.call('ZRANGE', index, 0, 1)) do
      if redis.call('EXISTS', prefix .. next_to_end) == 0 then
        redis.call('ZREM', index, next_to_end)
      end
    end
  end
  redis.call('ZADD', index, text(1000 * ends), digest)
  outlive(index, ends - now)
end

-- Whether a step on a computed key was refused because a Cluster has that key on another node just now.
local function is_elsewhere(problem)
  return string.find(type(problem) == 'table' and problem.err or problem, 'non local key', 1, true) ~= nil
end

local ELSEWHERE = 'TRYAGAIN a key of this slot is on another node'

-- Changes start at ARGV[at]: clear, idle timeout, lifetime, metadata of a new login ('' none), greatest size of a record (bytes),
-- number of fields to set, field and value …, fields to remove. Fields are values (d:…), and with a new login the fingerprint (f).

-- Whether the changes would make the record larger than it may be: then its size and its largest field, else nil. Asked before the
-- first write. What sets no value is never too large, so that a record can always shrink.
local function too_large(found, at)
  local first = at + 6
  local last = first + 2 * ARGV[at + 5]
  if first == last then
    return nil
  end
  local sizes, sets = {}, false
  if ARGV[at] ~= '1' then
    for field, value in pairs(found) do
      if string.sub(field, 1, 2) == 'd:' then
        sizes[field] = #field - 2 + #value
      end
    end
    for gone = last, #ARGV do
      sizes[ARGV[gone]] = nil
    end
  end
  for pair = first, last - 1, 2 do
    if string.sub(ARGV[pair], 1, 2) == 'd:' then
      sizes[ARGV[pair]] = #ARGV[pair] - 2 + #ARGV[pair + 1]
      sets = true
    end
  end
  local total, largest = 0, nil
  for field, size in pairs(sizes) do
    total = total + size
    if not largest or size > sizes[largest] then
      largest = field
    end
  end
  return sets and total > tonumber(ARGV[at + 4]) and {total, largest} or nil
end

-- Applies the changes. `found` holds the times of the session. Returns its fields as they are then, also where it was given a time
-- that is over and is gone by now.
local function apply(session, bucket, found, at, now)
  if ARGV[at + 2] ~= '' then
    found.x = text(now + ARGV[at + 2])
    if found.t and tonumber(found.x) > now then -- first of all: a computed key, which may be refused
      local listed, problem = pcall(list, index_of(bucket, found.t), string.match(session, '[^:]+$'), found.x, now)
      if not listed then
        error(is_elsewhere(problem) and {err = ELSEWHERE} or problem)
      end
    end
    lengthen(bucket, tonumber(ARGV[at + 2]))
  end
  if ARGV[at] == '1' then
    for _, field in ipairs(redis.call('HKEYS', session)) do
      if string.sub(field, 1, 2) == 'd:' then
        redis.call('HDEL', session, field)
      end
    end
  end
  if ARGV[at + 1] ~= '' then
    found.i = ARGV[at + 1]
  end
  if ARGV[at + 3] ~= '' then
    redis.call('HSET', session, 'a', text(now), 'm', ARGV[at + 3])
  end
  found.l = text(math.max(now, tonumber(found.l)))
  local first = at + 6
  local last = first + 2 * ARGV[at + 5]
  for gone = last, #ARGV do
    redis.call('HDEL', session, ARGV[gone])
  end
  for pair = first, last - 1, 2 do
    redis.call('HSET', session, ARGV[pair], ARGV[pair + 1])
  end
  redis.call('HINCRBY', session, 'g', 1)
  redis.call('HSET', session, 'l', found.l, 'i', found.i, 'x', found.x)
  local _, flat = fields(session)
  slide(session, found, now)
  return flat
end
