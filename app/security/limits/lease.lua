-- Takes up to the wanted tokens from a bucket that refills steadily, by Redis's clock, so that all nodes agree.
-- KEYS: the bucket. ARGV: its size, milliseconds from empty to full, tokens wanted.
-- Returns tokens granted, tokens left, milliseconds until it is full, milliseconds until there is one more.

local size, period_ms, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at_ms')
local tokens, at_ms = tonumber(held[1] or size), tonumber(held[2] or now_ms)
tokens = math.min(size, tokens + math.max(0, now_ms - at_ms) * size / period_ms)
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at_ms', string.format('%d', now_ms))
redis.call('PEXPIRE', KEYS[1], period_ms)
local one_ms = period_ms / size
return {
    granted,
    math.floor(tokens),
    math.ceil((size - tokens) * one_ms),
    math.max(1, math.ceil((math.floor(tokens) + 1 - tokens) * one_ms)),
}
