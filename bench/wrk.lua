-- Sends requests out of a folder, one after the other, and prints what came of them as JSON.
-- Arguments: the folder, how many requests it has, and, if their timestamps are to count up, the first.

local requests, count, sent, stamp = {}, 0, 0, nil

function init(args)
  count = tonumber(args[2])
  stamp = tonumber(args[3])
  for i = 1, count do
    local file = assert(io.open(args[1] .. '/' .. (i - 1), 'rb'))
    requests[i] = file:read('*a')
    file:close()
    if stamp then requests[i] = requests[i]:sub(1, -10) end
  end
end

function request()
  sent = sent + 1
  local text = requests[sent % count + 1]
  if stamp then return text .. string.format('%09d', stamp + sent) end
  return text
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,' ..
      '"p50":%d,"p99":%d,"p999":%d}\n',
    summary.requests, summary.duration, errors.status, errors.connect, errors.read, errors.write,
    errors.timeout, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
