-- Numbers messages, buffers them for replay and publishes them to every hub, a whole batch in one step.
-- KEYS: wk:live:seq, then for each message the stream of its source
-- ARGV: pub/sub channel, TTL of an idle stream in seconds, then for each message source, step, length of the stream,
--       head, tail
--
-- The text is head .. seq .. tail. A message without a head was never published: its number is skipped, so that
-- subscribers see the gap. A missing counter starts at the clock's milliseconds: numbers grow even after Redis was
-- emptied. The streams stay out of the append-only file: they would double the bytes written per check, and a lost
-- stream is reported as a gap. The counter is written to it.

local now = redis.call('TIME')
local floor = now[1] * 1000 + math.floor(now[2] / 1000)

for index = 2, #KEYS do
    local at = 3 + (index - 2) * 5
    local source, head = ARGV[at], ARGV[at + 3]
    redis.call('HSETNX', KEYS[1], source, string.format('%.0f', floor))
    local seq = redis.call('HINCRBY', KEYS[1], source, ARGV[at + 1])
    local number, text = string.format('%.0f', seq), ''
    if head ~= '' then
        text = head .. number .. ARGV[at + 4]
        redis.set_repl(redis.REPL_NONE)
        redis.pcall('XADD', KEYS[index], 'MAXLEN', '~', ARGV[at + 2], number .. '-0', 't', text)
        redis.call('EXPIRE', KEYS[index], ARGV[2])
        redis.set_repl(redis.REPL_ALL)
    end
    redis.call('PUBLISH', ARGV[1], source .. ' ' .. number .. '\n' .. text)
end
