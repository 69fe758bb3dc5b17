-- Puts plans into the due set; an older version never replaces a newer one.
-- ARGV: partitions, now_ms, first_at_ms (0: keep the due time, or the next slot), then per series: series, plan, ahead
-- (the slots of a cron series, else empty).

local partitions, now, first = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function next_slot(plan, ahead)
    local interval, _, _, phase = string.match(plan, '(%d+):(%d+):(%d+):(%d+)')
    if interval ~= '0' then
        return now - (now - tonumber(phase)) % tonumber(interval) + tonumber(interval)
    end
    for word in string.gmatch(ahead, '%d+') do
        if tonumber(word) > now then return tonumber(word) end
    end
    return now
end

-- What says when a series is due (interval, phase, cron), and the version.
local function schedule_of(plan)
    local interval, version, rest = string.match(plan, '^(%d+):%d+:(%d+):(.*)$')
    return interval .. ':' .. rest, tonumber(version)
end

for i = 4, #ARGV, 3 do
    local series, plan, ahead = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local due_key = 'wk:due:' .. string.format('%.0f', tonumber(series) % partitions)
    local old = redis.call('HGET', 'wk:plan', series)
    local schedule, version = schedule_of(plan)
    local old_schedule, old_version
    if old then old_schedule, old_version = schedule_of(old) end
    if not old or old_version <= version then
        redis.call('HSET', 'wk:plan', series, plan)
        if ahead == '' then
            redis.call('HDEL', 'wk:ahead', series)
        else
            redis.call('HSET', 'wk:ahead', series, ahead)
        end
        if first > 0 then
            redis.call('ZADD', due_key, string.format('%.0f', first), series)
        elseif old_schedule ~= schedule or not redis.call('ZSCORE', due_key, series) then
            redis.call('ZADD', due_key, string.format('%.0f', next_slot(plan, ahead)), series)
        end
    end
end
redis.call('RPUSH', 'wk:wake:schedule', 1)
redis.call('LTRIM', 'wk:wake:schedule', -16, -1)
