-- KEYS: the user's bucket, the index of the user's sessions. ARGV: cap on the user's live sessions.
-- Returns whether one more is within the cap: for a login on a Cluster, which ends the visitor's session on another node before
-- it comes to the node that could refuse it. A hint: create decides, which also knows what hides behind dead entries.
local others = beside(KEYS[2], KEYS[1], '', now_us())
return #others < tonumber(ARGV[1]) and 1 or 0
