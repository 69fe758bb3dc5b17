-- The newest number of each source, at least the caller's newest.
-- KEYS: wk:live:seq   ARGV: for each source its name and the newest number the caller has received, or 0
-- Returns the numbers, as text, in the order of the sources.
--
-- A Redis restored with an older counter would use a number twice. Raising the counter to the clock's milliseconds
-- prevents that.

local now = redis.call('TIME')
local floor = now[1] * 1000 + math.floor(now[2] / 1000)
local newest = {}

for at = 1, #ARGV, 2 do
    local received = tonumber(ARGV[at + 1])
    local seq = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or 0)
    if seq == 0 or seq < received then
        seq = math.max(floor, received + 1)
        redis.call('HSET', KEYS[1], ARGV[at], string.format('%.0f', seq))
    end
    newest[#newest + 1] = string.format('%.0f', seq)
end
return newest
