/** Moves the end of each lease still held. `ARGV`: 3 now, 4 the new end, then id and lease of each. Answers for each: rev, and the row when somebody asked for a stop. */
export const renewLua: string = `
local ns, replay = KEYS[1], ARGV[2] == '1'
local call, sub, match, format = redis.call, string.sub, string.match, string.format
local now, leaseUntil = tonumber(ARGV[3]), ARGV[4]
local answers, lines, held, leases = {}, {}, {}, {}
call('zcard', ns .. 'leases')
for i = 5, #ARGV, 2 do
  local id, answer = ARGV[i], {}
  local line = lines[id] or call('hget', ns .. 'held', id)
  if line then
    local rev, cancel, lease, ends, started = match(line, '^(........)(.)([^\\n]*)\\n([^\\n]*)\\n(.*)$')
    if lease == ARGV[i + 1] and tonumber(ends) > now then
      if not (replay and ends == leaseUntil) then rev = format('%08x', tonumber(rev, 16) + 1) end
      line = rev .. cancel .. lease .. '\\n' .. leaseUntil .. '\\n' .. started
      lines[id] = line
      held[#held + 1] = id
      held[#held + 1] = line
      leases[#leases + 1] = leaseUntil
      leases[#leases + 1] = id
      answer = { rev, cancel == '1' and call('get', ns .. 'job:' .. id) or '' }
    end
  end
  answers[#answers + 1] = answer
end
call('unlink', ns) -- a full server must still let work go on
for i = 1, #held, 6000 do
  call('hset', ns .. 'held', unpack(held, i, math.min(i + 5999, #held)))
  call('zadd', ns .. 'leases', unpack(leases, i, math.min(i + 5999, #leases)))
end
return answers
`

/** Running jobs whose lease has run out. `ARGV`: 3 now, 4 the most. Answers: id, row and held of each, then when the next will. */
export const expiredLua: string = `
local ns, call = KEYS[1], redis.call
local ids = call('zrangebyscore', ns .. 'leases', '-inf', ARGV[3], 'limit', 0, ARGV[4])
local jobs = {}
for _, id in ipairs(ids) do
  jobs[#jobs + 1] = id
  jobs[#jobs + 1] = call('get', ns .. 'job:' .. id) or ''
  jobs[#jobs + 1] = call('hget', ns .. 'held', id) or ''
end
local later = call('zrangebyscore', ns .. 'leases', '(' .. ARGV[3], '(+inf', 'withscores', 'limit', 0, 1)
return { jobs, later[2] or '' }
`
