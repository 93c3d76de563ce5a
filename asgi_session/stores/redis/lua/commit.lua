-- KEYS: session, its bucket. ARGV: version it must have ('' any), then the changes (see apply)
-- Returns false (ended), 0 (another version), or the fields.
local us = now_us()
local found, before = live(KEYS[1], KEYS[2], us)
if not found then
  return false
end
if ARGV[1] ~= '' and found.g ~= ARGV[1] then
  return 0
end
apply(KEYS[1], KEYS[2], found, 2, ms(us))
local _, after = fields(KEYS[1])
return #after > 0 and after or before -- extended into the past: gone, and these were its last fields
