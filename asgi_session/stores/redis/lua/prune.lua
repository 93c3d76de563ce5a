-- KEYS: the index of one user's sessions, then sessions of it. ARGV: the digests of those, in the same order.
-- Removes the entries of those that are over; returns how many. The sessions are declared, so while a Cluster moves the slot this is
-- refused unless all are here: what is absent here is over, and not on another node.
local gone = 0
for at, digest in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[at + 1]) == 0 then
    gone = gone + redis.call('ZREM', KEYS[1], digest)
  end
end
return gone
