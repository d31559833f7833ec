-- Instants are text, 2026-11-21T00:52:30.000001Z, whose order is that of time. Only what has to reckon parses them.
-- Days and microseconds of the day are kept apart: together they would be beyond the 53 bits of a Lua number.

local DAY = 86400000000

-- Days since 1970-01-01 and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
local function parse(instant)
  local y, m, d, hour, minute, second, micro =
    string.match(instant, '^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.(%d+)Z$')
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  if m <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local year = y - era * 400
  local day = math.floor((153 * ((m + 9) % 12) + 2) / 5) + d - 1
  local days = era * 146097 + year * 365 + math.floor(year / 4) - math.floor(year / 100) + day - 719468
  return days, ((hour * 60 + minute) * 60 + second) * 1000000 + micro
end

local function plus(instant, seconds)
  local days, micros = parse(instant)
  micros = micros + math.floor(seconds * 1000000 + 0.5)
  days = days + math.floor(micros / DAY) + 719468
  micros = micros % DAY
  local era = math.floor(days / 146097)
  local day = days - era * 146097
  local year = math.floor((day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
  day = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * day + 2) / 153)
  local y, m, d = year + era * 400, month + 3, day - math.floor((153 * month + 2) / 5) + 1
  if m > 12 then y, m = y + 1, m - 12 end
  local seconds_of_day = math.floor(micros / 1000000)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', y, m, d, math.floor(seconds_of_day / 3600),
    math.floor(seconds_of_day / 60) % 60, seconds_of_day % 60, micros % 1000000)
end

local function milliseconds_between(from, to)
  local days, micros = parse(from)
  local later_days, later_micros = parse(to)
  return math.ceil((later_days - days) * 86400000 + (later_micros - micros) / 1000)
end
