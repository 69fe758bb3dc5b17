-- Takes series out of the due set: paused or deleted. What is in flight may still land; nothing waits for it.
-- ARGV: partitions, series …

for i = 2, #ARGV do
    local series = ARGV[i]
    redis.call('ZREM', 'wk:due:' .. string.format('%.0f', tonumber(series) % tonumber(ARGV[1])), series)
    redis.call('HDEL', 'wk:plan', series)
    redis.call('HDEL', 'wk:ahead', series)
    redis.call('HDEL', 'wk:held', series)
    redis.call('HDEL', 'wk:slot', series)
    redis.call('ZREM', 'wk:flight', series)
end
