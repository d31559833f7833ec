-- Bounds of time as bounds of number, by halving, for a session whose times grow with its numbers.
--
-- KEYS: the header, the messages. ARGV: since, until; '' for none.
-- Gives {the lowest number, the highest number}, or {} where the times do not grow.

local HEADER, MESSAGES = KEYS[1], KEYS[2]
local head = redis.call('HMGET', HEADER, 'time_ordered', 'last_seq')
if head[1] ~= '1' then return {} end
local last = tonumber(head[2])

-- The lowest number at or behind which no message is earlier than an instant.
local function first_at(instant)
  local low, high = 1, last + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('XRANGE', MESSAGES, middle .. '-0', '+', 'COUNT', 1)[1]
    local created
    if entry then
      for n = 1, #entry[2], 2 do
        if entry[2][n] == 'created_at' then created = entry[2][n + 1] end
      end
    end
    if not entry or created >= instant then
      high = middle
    else
      low = tonumber(string.match(entry[1], '^%d+')) + 1
    end
  end
  return low
end

return {ARGV[1] ~= '' and first_at(ARGV[1]) or 1, ARGV[2] ~= '' and first_at(ARGV[2]) - 1 or last}
