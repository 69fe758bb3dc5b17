-- Puts plans into the due set; an older version never replaces a newer one.
-- ARGV: partitions, now_ms, first_at_ms (0: keep the due time, or the next slot of the grid), then per series: series, plan.

local partitions, now, first = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function next_slot(plan)
    local interval, _, _, phase = string.match(plan, '(%d+):(%d+):(%d+):(%d+)')
    return now - (now - tonumber(phase)) % tonumber(interval) + tonumber(interval)
end

local function pattern_of(plan) return string.match(plan, '^(%d+):'), tonumber(string.match(plan, '^%d+:%d+:(%d+):')) end

for i = 4, #ARGV, 2 do
    local series, plan = ARGV[i], ARGV[i + 1]
    local due_key = 'wk:due:' .. string.format('%.0f', tonumber(series) % partitions)
    local old = redis.call('HGET', 'wk:plan', series)
    local interval, version = pattern_of(plan)
    local old_interval, old_version
    if old then old_interval, old_version = pattern_of(old) end
    if not old or old_version <= version then
        redis.call('HSET', 'wk:plan', series, plan)
        if first > 0 then
            redis.call('ZADD', due_key, string.format('%.0f', first), series)
        elseif old_interval ~= interval or not redis.call('ZSCORE', due_key, series) then
            redis.call('ZADD', due_key, string.format('%.0f', next_slot(plan)), series)
        end
    end
end
redis.call('RPUSH', 'wk:wake:schedule', 1)
redis.call('LTRIM', 'wk:wake:schedule', -16, -1)
