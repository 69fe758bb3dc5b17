-- The newest number of each source, at least what the caller has heard of it.
-- KEYS: wk:live:seq   ARGV: for each source its name and the newest number heard, or 0
-- Returns the numbers, as text, in the order of the sources.
--
-- A Redis that came back with an older counter would number two messages alike; one that is raised to the clock's
-- milliseconds can't.

local now = redis.call('TIME')
local floor = now[1] * 1000 + math.floor(now[2] / 1000)
local newest = {}

for at = 1, #ARGV, 2 do
    local heard = tonumber(ARGV[at + 1])
    local seq = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or 0)
    if seq == 0 or seq < heard then
        seq = math.max(floor, heard + 1)
        redis.call('HSET', KEYS[1], ARGV[at], string.format('%.0f', seq))
    end
    newest[#newest + 1] = string.format('%.0f', seq)
end
return newest
