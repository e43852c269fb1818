import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'

/** `ARGV` from 3: ids. Answers: row and held of each, empty where there is none. */
export const getLua: string = `
local ns, call = KEYS[1], redis.call
local jobs = {}
for i = 3, #ARGV do
  jobs[#jobs + 1] = call('get', ns .. 'job:' .. ARGV[i]) or ''
  jobs[#jobs + 1] = call('hget', ns .. 'held', ARGV[i]) or ''
end
return jobs
`

/** Every lane with the sizes of its sets, and what operators have set. Answers: settings, then for each lane its name, five counts, and its earliest `runAt`. */
export const queuesLua: string = `
local ns, call = KEYS[1], redis.call
local lanes = {}
for _, lane in ipairs(call('smembers', ns .. 'lanes')) do
  local ready, parked = ns .. 'ready:' .. lane, ns .. 'parked:' .. lane
  local first, aside = call('zrange', ready, 0, 0, 'withscores'), call('zrange', parked, 0, 0, 'withscores')
  local nextAt = first[2] or ''
  if aside[2] and (nextAt == '' or tonumber(aside[2]) < tonumber(nextAt)) then nextAt = aside[2] end
  lanes[#lanes + 1] = {
    lane,
    call('zcard', ready) + call('zcard', parked),
    tonumber(call('hget', ns .. 'running', lane) or 0),
    call('zcard', ns .. 'completed:' .. lane),
    call('zcard', ns .. 'failed:' .. lane),
    call('zcard', ns .. 'cancelled:' .. lane),
    nextAt,
  }
end
return { call('hgetall', ns .. 'settings'), lanes }
`

/** Changes settings of the queue `ARGV[3]`: paused, concurrency, priority, each `~` to be kept. A `!` before all open lanes says that there are any. */
export const configureLua: string = `
local ns, call = KEYS[1], redis.call
local old = { string.match(call('hget', ns .. 'settings', ARGV[3]) or '0::0', '^(%d):(%d*):(%-?%d+)$') }
for i = 1, 3 do if ARGV[3 + i] ~= '~' then old[i] = ARGV[3 + i] end end
call('zcard', ns .. 'open')
call('unlink', ns)
call('hset', ns .. 'settings', ARGV[3], old[1] .. ':' .. old[2] .. ':' .. old[3])
call('zadd', ns .. 'open', '-inf', '!')
call('publish', ns .. 'bell', ARGV[1] .. ' control')
call('publish', ns .. 'bell', ARGV[1] .. ' jobs')
return 3
`

/** Removes finished jobs that are due to be forgotten. `ARGV`: 3 now, 4 the most. Answers how many. */
export const pruneLua: string = `${frameLua}${rowsLua}
local rows = rowsOf()
local members = call('zrangebyscore', ns .. 'forget', '-inf', ARGV[3], 'limit', 0, ARGV[4])
call('unlink', ns)
local ids = {}
for i, member in ipairs(members) do ids[i] = sub(member, 17) end
rows.load(ids)
for i, id in ipairs(ids) do
  if rows.get(id) then rows.set(id, false) else call('zrem', ns .. 'forget', members[i]) end
end
rows.commit()
return #ids
`

/** Adds lines to logs: `ARGV` from 3: id and text of each. */
export const logLua: string = `
local ns, call = KEYS[1], redis.call
for i = 3, #ARGV, 2 do
  if call('exists', ns .. 'job:' .. ARGV[i]) == 1 then
    call('xadd', ns .. 'log:' .. ARGV[i], call('incr', ns .. 'lines') .. '-1', 't', ARGV[i + 1])
  end
end
return 0
`

/** The clock of the server that has our keys. */
export const timeLua: string = `return redis.call('time')`

/** What that server says of itself: the section `ARGV[3]`. */
export const infoLua: string = `return redis.call('info', ARGV[3])`

/** A page of a log: `ARGV`: 3 id, 4 after which line, 5 the most. Answers: number and text of each. */
export const logsLua: string = `
local lines = {}
for _, entry in ipairs(redis.call('xrange', KEYS[1] .. 'log:' .. ARGV[3], '(' .. ARGV[4] .. '-1', '+', 'count', ARGV[5])) do
  lines[#lines + 1] = entry[1]
  lines[#lines + 1] = entry[2][2]
end
return lines
`
