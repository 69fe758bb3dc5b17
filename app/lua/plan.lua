-- Puts plans into the due set; an older version never replaces a newer one.
-- ARGV: partitions, since_ms, first_at_ms (not later than then; 0: no such wish), anew (1: the due time that is there
-- does not count), then per series: series, plan, ahead (the slots of a cron series, else empty).
--
-- A series is due at its first slot later than `since`, unless it is due already by the same schedule. What was due by
-- another schedule before `since` and was not checked is a gap: nobody checks it any more.

local partitions, since, first, anew = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'

local function text(number) return string.format('%.0f', number) end

local function next_slot(plan, ahead)
    local interval, _, _, phase = string.match(plan, '(%d+):(%d+):(%d+):(%d+)')
    if interval ~= '0' then
        return since - (since - tonumber(phase)) % tonumber(interval) + tonumber(interval)
    end
    for word in string.gmatch(ahead, '%d+') do
        if tonumber(word) > since then return tonumber(word) end
    end
    return since
end

-- What says when a series is due (interval, phase, cron), and the version.
local function schedule_of(plan)
    local interval, version, rest = string.match(plan, '^(%d+):%d+:(%d+):(.*)$')
    return interval .. ':' .. rest, tonumber(version)
end

-- The slots of a schedule that ended and that nobody took yet.
local function close(series, due)
    local held = tonumber(redis.call('HGET', 'wk:held', series) or false)
    if held and held < since then
        redis.call('HDEL', 'wk:held', series)
        due = math.min(held, due or held)
    end
    if due and due < since then
        redis.call('HSET', 'wk:gaps', series .. ':' .. text(due), text(since - 1) .. ':0')
    end
end

for i = 5, #ARGV, 3 do
    local series, plan, ahead = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local due_key = 'wk:due:' .. text(tonumber(series) % partitions)
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
        local due = tonumber(redis.call('ZSCORE', due_key, series) or false)
        if old and old_schedule ~= schedule then close(series, due) end
        if anew or not due or old_schedule ~= schedule then due = next_slot(plan, ahead) end
        if first > 0 then due = math.min(due, first) end
        redis.call('ZADD', due_key, text(due), series)
    end
end
redis.call('RPUSH', 'wk:wake:schedule', 1)
redis.call('LTRIM', 'wk:wake:schedule', -16, -1)
