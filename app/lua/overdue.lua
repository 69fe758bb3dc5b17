-- Finds slots in flight past their deadline: the first time they are queued again, then they are lost.
-- ARGV: now_ms, limit, grace_ms, again_ms (wait before a lost one is told again; doubles, at most an hour), backlog_ms
-- (how long jobs wait in the queues: deadlines are later by as much).
-- wk:lost counts those that were lost, for ever: whoever watches sees it grow.
-- wk:stale_at has each series of which no result came in time, until a real one does: when it counts as stale, two
-- intervals, its timeout and the grace after the first slot that nobody answered for.
-- Returns msgpack {again{series, version, at, attempt, early}, lost{…}}.

local now, limit, grace, again_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local latest_deadline = now - tonumber(ARGV[5])
local again, lost = {}, {}

local function text(number) return string.format('%.0f', number) end

local function interval_of(series, plan, at)
    local interval = tonumber(string.match(plan, '%d+'))
    if interval > 0 then return interval end
    for word in string.gmatch(redis.call('HGET', 'wk:ahead', series) or '', '%d+') do
        if tonumber(word) > at then return tonumber(word) - at end
    end
    return now - at  -- of a cron series whose list has ended: stale in as much time again
end

for _, series in ipairs(redis.call('ZRANGEBYSCORE', 'wk:flight', '-inf', latest_deadline, 'LIMIT', 0, limit)) do
    local plan = redis.call('HGET', 'wk:plan', series)
    local slot = redis.call('HGET', 'wk:slot', series)
    if not (plan and slot) then
        redis.call('ZREM', 'wk:flight', series)
        redis.call('HDEL', 'wk:slot', series)
        redis.call('HDEL', 'wk:held', series)
    else
        local _, timeout, version = string.match(plan, '(%d+):(%d+):(%d+):(%d+)')
        local at, attempt, early = string.match(slot, '(%d+):(%d+):(%d)')
        attempt = tonumber(attempt) + 1
        local row = {tonumber(series), tonumber(version), tonumber(at), attempt, early == '1'}
        local wait = tonumber(timeout) + grace
        if attempt == 1 then
            local stale = row[3] + 2 * interval_of(series, plan, row[3]) + wait
            redis.call('ZADD', 'wk:stale_at', 'LT', text(stale), series)
            again[#again + 1] = row
        else
            lost[#lost + 1] = row
            wait = math.min(again_ms * 2 ^ math.min(attempt - 2, 20), 3600000)
        end
        redis.call('ZADD', 'wk:flight', text(now + wait), series)
        redis.call('HSET', 'wk:slot', series, at .. ':' .. attempt .. ':' .. early)
    end
end
if #lost > 0 then redis.call('INCRBY', 'wk:lost', #lost) end
return cmsgpack.pack({again, lost})
