-- Makes a series due now and notes who waits for its landing. Returns 1, or 0 when the series has no plan.
-- ARGV: partitions, series, now_ms, token

local series = ARGV[2]
local tokens = redis.call('HGET', 'wk:waiting', series)
redis.call('HSET', 'wk:waiting', series, tokens and (tokens .. ',' .. ARGV[4]) or ARGV[4])
if redis.call('HEXISTS', 'wk:plan', series) == 0 then return 0 end
local due_key = 'wk:due:' .. string.format('%.0f', tonumber(series) % tonumber(ARGV[1]))
redis.call('ZADD', due_key, 'LT', ARGV[3], series)
redis.call('RPUSH', 'wk:wake:schedule', 1)
redis.call('LTRIM', 'wk:wake:schedule', -16, -1)
return 1
