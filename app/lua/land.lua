-- Takes stored slots out of flight, and lets in what waited for them.
-- ARGV: partitions, then per slot: series, at, early_at (0: none), real (0: nobody looked).
-- A slot that is no longer the one in flight changes nothing: landing twice is landing once.

local partitions = tonumber(ARGV[1])
local waiting = redis.call('HLEN', 'wk:waiting') > 0
local any_stale = redis.call('EXISTS', 'wk:stale_at') == 1

local function answer(series, at)
    local tokens = redis.call('HGET', 'wk:waiting', series)
    if not tokens then return end
    redis.call('HDEL', 'wk:waiting', series)
    for token in string.gmatch(tokens, '[^,]+') do
        redis.call('RPUSH', 'wk:reply:' .. token, at)
        redis.call('EXPIRE', 'wk:reply:' .. token, 60)
    end
end

for i = 2, #ARGV, 4 do
    local series, at, early = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if any_stale and ARGV[i + 3] == '1' then redis.call('ZREM', 'wk:stale_at', series) end
    local due_key = 'wk:due:' .. string.format('%.0f', tonumber(series) % partitions)
    local flying = redis.call('HGET', 'wk:slot', series)
    if flying and string.match(flying, '^(%d+):') == at then
        redis.call('ZREM', 'wk:flight', series)
        redis.call('HDEL', 'wk:slot', series)
        local held = redis.call('HGET', 'wk:held', series)
        if held then
            redis.call('HDEL', 'wk:held', series)
            redis.call('ZADD', due_key, 'XX', 'LT', held, series)
        end
    end
    if early ~= '0' then
        redis.call('ZADD', due_key, 'XX', 'LT', early, series)
    end
    if waiting then
        answer(series, at)
    end
end
