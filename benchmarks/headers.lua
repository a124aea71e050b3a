-- A wrk script: GET requests whose heads never repeat, so that no cache of heads or of fields helps a server.
--
-- Each head has 7 to 10 fields as a browser sends them: names, values, their number, their order and the case of names vary.
-- Heads are put together from a thousand beginnings and a thousand ends, made before the load starts, and a cookie
-- that counts; so a request costs wrk one concatenation. The seed is fixed: every server gets the same load.

local FIELDS = {
  { "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0" },
  { "Accept", "text/html,application/xhtml+xml,application/xml;q=0.%d,*/*;q=0.%d" },
  { "Accept-Language", "en-US,en;q=0.%d,de;q=0.%d" },
  { "Accept-Encoding", "gzip, deflate, br;q=0.%d, zstd;q=0.%d" },
  { "Connection", "keep-alive" },
  { "Referer", "http://www.example.com/articles/%d/%d" },
  { "Cache-Control", "max-age=%d, max-stale=%d" },
  { "X-Forwarded-For", "10.0.%d.%d" },
  { "X-Request-Id", "%08d-%08d" },
  { "Sec-Fetch-Site", "none" },
  { "Sec-Fetch-Mode", "navigate" },
  { "Upgrade-Insecure-Requests", "1" },
}
local BEGINNINGS, ENDS = 997, 1009  -- primes: their pairs repeat only after a million requests

local function fields(from, to, count)
  local left, lines = {}, {}
  for i = from, to do left[#left + 1] = FIELDS[i] end
  for i = 1, count do
    local name, value = unpack(table.remove(left, math.random(#left)))
    if math.random(2) == 1 then name = name:lower() end
    lines[i] = name .. ": " .. value:format(math.random(99), math.random(99)) .. "\r\n"
  end
  return table.concat(lines)
end

local beginnings, ends, made = {}, {}, 0

function init(args)
  math.randomseed(1)
  local line = ("GET %s HTTP/1.1\r\nHost: %s:%s\r\n"):format(wrk.path, wrk.host, wrk.port)
  for i = 0, BEGINNINGS - 1 do beginnings[i] = line .. fields(1, 6, 3 + math.random(0, 2)) end
  for i = 0, ENDS - 1 do
    local own = ("X-%s-%d: %d\r\n"):format(math.random(2) == 1 and "Trace" or "Client", math.random(9999), i)
    ends[i] = "\r\n" .. fields(7, 12, 1 + math.random(0, 1)) .. own .. "\r\n"
  end
end

function request()
  made = made + 1
  return beginnings[made % BEGINNINGS] .. "Cookie: session=" .. made .. ends[made % ENDS]
end
