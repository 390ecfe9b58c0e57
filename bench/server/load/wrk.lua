-- What wrk does in the benchmark: sends the octets of WRK_REQUEST over and over and prints one line of JSON.
-- With WRK_BODY it looks at every answer (status 200, that body), which costs wrk more than the request does: the
-- warm-up runs so. The measured run counts answers and octets, and the harness compares the two.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  -- One text, formatted once: wrk then treats the request as static and calls no Lua while it measures.
  local octets = os.getenv("WRK_REQUEST")
  wrk.format = function() return octets end
  wrong = 0
  local body = os.getenv("WRK_BODY")
  if body then
    response = function(status, headers, text)
      if status ~= 200 or text ~= body then wrong = wrong + 1 end
    end
  end
end

function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"us":%d,"bytes":%d,"wrong":%d,"statuses":%d,"timeouts":%d,"sockets":%d,' ..
    '"p50Us":%d,"p99Us":%d,"cpuMs":%d}\n',
    summary.requests, summary.duration, summary.bytes, wrong, errors.status, errors.timeout,
    errors.connect + errors.read + errors.write, latency:percentile(50), latency:percentile(99), os.clock() * 1000))
end
