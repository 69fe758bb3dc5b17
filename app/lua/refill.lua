-- Fills up the lists of slots of cron series. A plan that has changed meanwhile came with a list of its own.
-- ARGV: per series: series, plan, ahead.

for i = 1, #ARGV, 3 do
    if redis.call('HGET', 'wk:plan', ARGV[i]) == ARGV[i + 1] then
        redis.call('HSET', 'wk:ahead', ARGV[i], ARGV[i + 2])
    end
end
