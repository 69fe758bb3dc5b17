-- Claims due series: each moves to its next slot and is noted as in flight, in one step.
-- ARGV: now_ms, limit, grace_ms, low (cron slots left when a list is to be filled up), partition …
-- Returns msgpack {lost, slots{series, version, at, attempt, early}, gaps{series, from, to, interval}, next_due_ms,
-- dry{series, plan}}.
--
-- wk:due:<p>   ZSET  series -> due time          wk:plan   HASH series -> interval:timeout:version:phase[:cron:timezone]
-- wk:flight    ZSET  series -> deadline          wk:slot   HASH series -> at:attempt:early
-- wk:ahead     HASH series -> slots of a cron series: the newest and the next ones, in order
-- wk:stale_at  ZSET  series -> when it counts as stale: see `overdue`
-- wk:held      HASH  series -> slot that came due while the one before was in flight
-- wk:gaps      HASH  series:from -> to:interval  slots nobody could claim in time, until they are stored
-- wk:built     exists while the set is whole; gone when Redis was emptied

local now, limit, grace, low = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slots, gaps, dry, soonest = {}, {}, {}, 0
if redis.call('EXISTS', 'wk:built') == 0 then
    return cmsgpack.pack({true, slots, gaps, soonest, dry})
end

local function text(number) return string.format('%.0f', number) end

-- A cron series' newest slot that is not later than now (0: none), and the first one later (nil: its list ended).
local function by_cron(series, plan)
    local newest, upcoming, left = 0, nil, 0
    for word in string.gmatch(redis.call('HGET', 'wk:ahead', series) or '', '%d+') do
        local slot = tonumber(word)
        if slot <= now then
            newest = slot
        else
            upcoming, left = upcoming or slot, left + 1
        end
    end
    if left < low then dry[#dry + 1] = {tonumber(series), plan} end
    return newest, upcoming
end

local function claim(due_key, series, at)
    local plan = redis.call('HGET', 'wk:plan', series)
    if not plan then
        redis.call('ZREM', due_key, series)
        return
    end
    if redis.call('HEXISTS', 'wk:slot', series) == 1 then
        -- A check never overlaps itself: the slot waits until the one in flight has landed.
        redis.call('HSETNX', 'wk:held', series, text(at))
        redis.call('ZADD', due_key, text((tonumber(redis.call('ZSCORE', 'wk:flight', series)) or now) + 1000), series)
        return
    end
    local interval, timeout, version, phase = string.match(plan, '(%d+):(%d+):(%d+):(%d+)')
    local newest, upcoming
    if interval == '0' then
        newest, upcoming = by_cron(series, plan)
        if not upcoming then return end  -- it stays due, and is claimed as soon as its list is there
    else
        newest = now - (now - tonumber(phase)) % tonumber(interval)
        upcoming = newest + tonumber(interval)
    end
    if newest > at then
        -- Nobody came for whole intervals: the newest slot is checked, the ones before it are a recorded gap.
        redis.call('HSET', 'wk:gaps', series .. ':' .. text(at), text(newest - 1) .. ':' .. interval)
        gaps[#gaps + 1] = {tonumber(series), at, newest - 1, tonumber(interval)}
        at = newest
    end
    local early = at ~= newest
    redis.call('ZADD', due_key, text(upcoming), series)
    redis.call('ZADD', 'wk:flight', text(now + tonumber(timeout) + grace), series)
    redis.call('HSET', 'wk:slot', series, text(at) .. ':0:' .. (early and '1' or '0'))
    slots[#slots + 1] = {tonumber(series), tonumber(version), at, 0, early}
end

for index = 5, #ARGV do
    local due_key = 'wk:due:' .. ARGV[index]
    local due = redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
    for i = 1, #due, 2 do
        claim(due_key, due[i], tonumber(due[i + 1]))
    end
    local first = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
    if first[2] and (soonest == 0 or tonumber(first[2]) < soonest) then
        soonest = tonumber(first[2])
    end
end
return cmsgpack.pack({false, slots, gaps, soonest, dry})
