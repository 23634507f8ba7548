-- For wrk: each request goes to another host, d1.localhost to dN.localhost in turn. The script's arguments are N and
-- what clients take as Accept-Encoding.
-- The last line of its output is what came of it, as JSON.

local requests, at = {}, 0

function init(args)
  for number = 1, tonumber(args[1]) do
    local headers = { Host = "d" .. number .. ".localhost", ["Accept-Encoding"] = args[2] }
    requests[number] = wrk.format("GET", "/web/login", headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format('{"requests": %d, "failed": %d, "seconds": %f}', summary.requests, failed, summary.duration / 1e6))
end
