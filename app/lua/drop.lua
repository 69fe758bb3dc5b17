-- Takes series out of the due set: paused or deleted. What is in flight may still land; nothing waits for it.
-- ARGV: partitions, now_ms, series …
-- What was due by now and has no heartbeat yet is a gap: a result that is on its way is stored all the same.

local partitions, now = tonumber(ARGV[1]), tonumber(ARGV[2])

local function text(number) return string.format('%.0f', number) end

for i = 3, #ARGV do
    local series = ARGV[i]
    local due_key = 'wk:due:' .. text(tonumber(series) % partitions)
    local flying = string.match(redis.call('HGET', 'wk:slot', series) or '', '^(%d+):')
    local oldest, newest = now, 0
    for _, word in ipairs({flying or '', redis.call('HGET', 'wk:held', series) or '',
                           redis.call('ZSCORE', due_key, series) or ''}) do
        local at = tonumber(word)
        if at and at <= now then
            oldest, newest = math.min(oldest, at), word == flying and math.max(newest, at) or now
        end
    end
    if newest > 0 then
        redis.call('HSET', 'wk:gaps', series .. ':' .. text(oldest), text(newest) .. ':0')
    end
    redis.call('ZREM', due_key, series)
    redis.call('HDEL', 'wk:plan', series)
    redis.call('HDEL', 'wk:ahead', series)
    redis.call('HDEL', 'wk:held', series)
    redis.call('HDEL', 'wk:slot', series)
    redis.call('ZREM', 'wk:flight', series)
    redis.call('ZREM', 'wk:stale_at', series)
end
