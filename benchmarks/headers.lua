-- A wrk script: GET requests whose heads never repeat, so that no cache of heads or of fields helps a server.
--
-- Each head has 7 to 10 fields as clients send them: names, values, their number, their order and the case of names
-- vary, and Host may stand anywhere. Heads are put together from a thousand beginnings and a thousand ends, made before
-- the load starts, and a cookie that counts; so a request costs wrk one concatenation. The seed is fixed: every server
-- gets the same load.

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

local function line(name, value)
  if math.random(2) == 1 then name = name:lower() end
  return name .. ": " .. value:format(math.random(99), math.random(99)) .. "\r\n"
end

local function fields(from, to, count, ...)
  local left, lines = {}, { ... }
  for i = from, to do left[#left + 1] = FIELDS[i] end
  for _ = 1, count do table.insert(lines, math.random(#lines + 1), line(unpack(table.remove(left, math.random(#left))))) end
  return table.concat(lines)
end

-- A beginning knows the ends that go with it: those with Host, or those without.
local beginnings, with_host, without_host, made = {}, {}, {}, 0

function init(args)
  math.randomseed(1)
  local host = wrk.host .. ":" .. wrk.port
  for i = 0, BEGINNINGS - 1 do
    local first = math.random(9) <= 6  -- a beginning has six places for it on average, an end three
    local text = fields(1, 6, 3 + math.random(0, 2), first and line("Host", host) or nil)
    beginnings[i] = { ("GET %s HTTP/1.1\r\n"):format(wrk.path) .. text, first and without_host or with_host }
  end
  for i = 0, ENDS - 1 do
    local own = ("X-%s-%d: %d\r\n"):format(math.random(2) == 1 and "Trace" or "Client", math.random(9999), i)
    local count = 1 + math.random(0, 1)
    without_host[i] = "\r\n" .. fields(7, 12, count, own) .. "\r\n"
    with_host[i] = "\r\n" .. fields(7, 12, count, line("Host", host), own) .. "\r\n"
  end
end

function request()
  made = made + 1
  local beginning, ends = unpack(beginnings[made % BEGINNINGS])
  return beginning .. "Cookie: session=" .. made .. ends[made % ENDS]
end
