-- KEYS: session, its bucket. ARGV: digest, version it must have ('' any), then the changes (see apply)
-- Returns false (ended), 0 (another version), size and largest field (see too_large), or the fields and the time (ms).
local us = now_us()
local found = live(KEYS[1], KEYS[2], us)
if not found then
  return false
end
if ARGV[2] ~= '' and found.g ~= ARGV[2] then
  return 0
end
local refusal = too_large(found, 3)
if refusal then
  return refusal
end
publish(KEYS[2], 'changed', ARGV[1], text(found.g + 1))
return {apply(KEYS[1], KEYS[2], found, 3, ms(us)), text(ms(us))}
