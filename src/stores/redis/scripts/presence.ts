/** A worker tells that it is alive, and those that are gone are forgotten. `ARGV`: 3 now, 4 until when, 5 its id, 6 when it told and what. */
export const presentLua: string = `
local ns, call = KEYS[1], redis.call
call('hlen', ns .. 'workers') -- a foreign type under it is found before anything is written
call('zadd', ns .. 'present', ARGV[4], ARGV[5])
call('hset', ns .. 'workers', ARGV[5], ARGV[6])
for _, id in ipairs(call('zrangebyscore', ns .. 'present', '-inf', ARGV[3], 'limit', 0, 1000)) do
  call('zrem', ns .. 'present', id)
  call('hdel', ns .. 'workers', id)
end
return 0
`

/** Those that are alive at `ARGV[3]`. Answers: until when, and what each has told. */
export const workersLua: string = `
local ns, call = KEYS[1], redis.call
local members = call('zrangebyscore', ns .. 'present', '(' .. ARGV[3], '+inf', 'withscores')
local workers = {}
for i = 1, #members, 2 do
  local told = call('hget', ns .. 'workers', members[i])
  if told then
    workers[#workers + 1] = members[i + 1]
    workers[#workers + 1] = told
  end
end
return workers
`
