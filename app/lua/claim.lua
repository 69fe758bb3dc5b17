-- Claims due series: each moves to its next slot and is noted as in flight, in one step.
-- ARGV: now_ms, limit, grace_ms, partition …
-- Returns msgpack {lost, slots{series, version, at, attempt, early}, gaps{series, from, to, interval}, next_due_ms}.
--
-- wk:due:<p>   ZSET  series -> due time          wk:plan   HASH series -> interval:timeout:version:phase
-- wk:flight    ZSET  series -> deadline          wk:slot   HASH series -> at:attempt:early
-- wk:held      HASH  series -> slot that came due while the one before was in flight
-- wk:gaps      HASH  series:from -> to:interval  slots nobody could claim in time, until they are stored
-- wk:built     exists while the set is whole; gone when Redis was emptied

local now, limit, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slots, gaps, soonest = {}, {}, 0
if redis.call('EXISTS', 'wk:built') == 0 then
    return cmsgpack.pack({true, slots, gaps, soonest})
end

local function text(number) return string.format('%.0f', number) end

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
    interval, phase = tonumber(interval), tonumber(phase)
    local newest = now - (now - phase) % interval
    if newest > at then
        -- Nobody came for whole intervals: the newest slot is checked, the ones before it are a recorded gap.
        redis.call('HSET', 'wk:gaps', series .. ':' .. text(at), text(newest - 1) .. ':' .. text(interval))
        gaps[#gaps + 1] = {tonumber(series), at, newest - 1, interval}
        at = newest
    end
    local early = (at - phase) % interval ~= 0
    redis.call('ZADD', due_key, text(at - (at - phase) % interval + interval), series)
    redis.call('ZADD', 'wk:flight', text(now + tonumber(timeout) + grace), series)
    redis.call('HSET', 'wk:slot', series, text(at) .. ':0:' .. (early and '1' or '0'))
    slots[#slots + 1] = {tonumber(series), tonumber(version), at, 0, early}
end

for index = 4, #ARGV do
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
return cmsgpack.pack({false, slots, gaps, soonest})
