import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'

/**
 * Adds jobs that nothing can be in the way of: no unique key to hold, no writes. `ARGV`: 3 the turn that the caller expects to be next, in
 * eleven hex digits, 4 how many jobs; of each its key and its row, with that turn before it; then for each lane: its name, its
 * priority, how many, when they are due, and their members (turn and place, mark, id) — or an empty text if they are not all due at one time,
 * and then `runAt` and member of each. Answers with the turn they were given.
 *
 * All are added by one command that does nothing if one of the ids is there already. A caller who has the server to himself knows his turn,
 * and then keys, rows and members go from his call to the commands as they are: to put together others costs 0.6 of 3.8 µs a job.
 */
export const addLua: string = `
local ns, caller, replay, n = KEYS[1], ARGV[1], ARGV[2] == '1', tonumber(ARGV[4])
local call, sub = redis.call, string.sub
local lanesAt = 5 + 2 * n

-- Lanes that are not open yet. Raises, before anything is written, if what is to be written at the end holds what is not ours.
local at, opened = lanesAt, nil
while ARGV[at] do
  if not call('zscore', ns .. 'open', ARGV[at]) then
    if not opened then
      call('scard', ns .. 'lanes')
      opened = {}
    end
    opened[#opened + 1] = at
  end
  at = at + 4 + (ARGV[at + 3] == '' and 2 or 1) * ARGV[at + 2]
end

local number = call('incr', ns .. 'seq') -- a full server refuses it, and then nothing has been changed
local turn, rows, rowsAt = string.format('%011x', number), ARGV, 4
local known = turn == ARGV[3]
if not known then
  rows, rowsAt = {}, 0
  for i = 1, 2 * n, 2 do rows[i], rows[i + 1] = ARGV[i + 4], turn .. sub(ARGV[i + 5], 12) end
end

local function some(name, key, args, from, to)
  for i = from, to, 6000 do
    if key then call(name, key, unpack(args, i, math.min(i + 5999, to)))
    else call(name, unpack(args, i, math.min(i + 5999, to))) end
  end
end

local free = true
if n <= 3000 then
  free = call('msetnx', unpack(rows, rowsAt + 1, rowsAt + 2 * n)) == 1
else
  for i = 5, lanesAt - 1, 2 do free = free and call('exists', ARGV[i]) == 0 end
  if free then some('mset', nil, rows, rowsAt + 1, rowsAt + 2 * n) end
end
if not free then
  if replay then return 0 end -- they were added the first time
  for i = 5, lanesAt - 1, 2 do
    if call('exists', ARGV[i]) == 1 then return redis.error_reply('JOBFERRY there is a job ' .. sub(ARGV[i], #ns + 5) .. ' already') end
  end
end

local ids, ready, k = {}, {}, 0
at = lanesAt
while ARGV[at] do
  local m, runAt, members, j = tonumber(ARGV[at + 2]), ARGV[at + 3], {}, 0
  local step = runAt == '' and 2 or 1
  local last = at + 3 + step * m
  for i = at + 3 + step, last, step do
    local member = ARGV[i]
    if not known then member = turn .. sub(member, 12) end
    members[j + 1], members[j + 2] = step == 1 and runAt or ARGV[i - 1], member
    ids[k + 1], ids[k + 2] = '0', sub(member, 18)
    j, k = j + 2, k + 2
  end
  ready[ARGV[at]] = members
  at = last + 1
end
-- One of our keys holds what is not ours: what was written is taken back. Dearer than to look beforehand, but only then.
local ok, told = pcall(function()
  some('zadd', ns .. 'ids', ids, 1, k)
  for lane, members in pairs(ready) do some('zadd', ns .. 'ready:' .. lane, members, 1, #members) end
end)
if not ok then
  for i = 5, lanesAt - 1, 2 do call('unlink', ARGV[i]) end
  for i = 2, k, 2 do redis.pcall('zrem', ns .. 'ids', ids[i]) end
  for lane, members in pairs(ready) do
    for i = 2, #members, 2 do redis.pcall('zrem', ns .. 'ready:' .. lane, members[i]) end
  end
  error(told, 0)
end
if opened then for _, i in ipairs(opened) do
  call('zadd', ns .. 'open', ARGV[i + 1], ARGV[i])
  call('sadd', ns .. 'lanes', ARGV[i])
end end
call('publish', ns .. 'bell', caller .. ' jobs')
return number
`

/**
 * The same for a job alone: 12 µs against 18. `ARGV`: 3 the turn expected, 4 the key, 5 the row, 6 the lane, 7 its priority, 8 `runAt`, 9 the
 * member.
 */
export const addOneLua: string = `
local ns, caller, replay = KEYS[1], ARGV[1], ARGV[2] == '1'
local turn, key, row, lane, priority, runAt, member = unpack(ARGV, 3)
local call, sub = redis.call, string.sub
local id = sub(member, 18)

local open = call('zscore', ns .. 'open', lane)
if not open then call('scard', ns .. 'lanes') end
local number = call('incr', ns .. 'seq')
local given = string.format('%011x', number)
if given ~= turn then row, member = given .. sub(row, 12), given .. sub(member, 12) end
if call('setnx', key, row) == 0 then
  return replay and 0 or redis.error_reply('JOBFERRY there is a job ' .. id .. ' already')
end

local told = redis.pcall('zadd', ns .. 'ids', '0', id)
if type(told) == 'number' then told = redis.pcall('zadd', ns .. 'ready:' .. lane, runAt, member) end
if type(told) ~= 'number' then
  call('unlink', key)
  redis.pcall('zrem', ns .. 'ids', id)
  return told
end
if not open then
  call('zadd', ns .. 'open', priority, lane)
  call('sadd', ns .. 'lanes', lane)
end
call('publish', ns .. 'bell', caller .. ' jobs')
return number
`

/**
 * Adds jobs and applies writes batch by batch, each all or none. `ARGV[3]` is now; then, for each batch: how many writes (id, rev, lease,
 * row, held), and how many jobs (place in the call, keep or refuse, id, row, held). Answers, for each batch, whether it was stored, and whom
 * its jobs met: which, id, row, held.
 */
const insertBatchesLua = `${frameLua}${rowsLua}
local rows = rowsOf()
local parse, get, set, write, holder = rows.parse, rows.get, rows.set, rows.write, rows.holder
local now = tonumber(ARGV[3])
local turn = format('%011x', (tonumber(call('get', ns .. 'seq')) or 0) + 1)
local at, results, added = 5, {}, false

-- Everything this call may have to know of is read at once.
local ids, scan = {}, 5
for _ = 1, tonumber(ARGV[4]) do
  for _ = 1, tonumber(ARGV[scan]) do
    ids[#ids + 1] = ARGV[scan + 1]
    scan = scan + 5
  end
  scan = scan + 1
  for _ = 1, tonumber(ARGV[scan]) do
    ids[#ids + 1] = ARGV[scan + 3]
    scan = scan + 5
  end
  scan = scan + 1
end
rows.load(ids)

-- Whether a window has passed, so that the holder goes on without its key.
local function yields(row)
  if row.kind ~= 'w' or tonumber(row.windowEnd) > now then return false end
  local rev = nextRev(row.rev)
  local text = sub(row.text, 1, 16) .. (row.held and sub(row.text, 17, 24) or rev) .. sub(row.text, 25, 27) .. '0' .. sub(row.text, 29)
  set(row.id, parse(row.id, text, row.held and rev .. sub(row.held, 9)))
  return true
end

for batch = 1, tonumber(ARGV[4]) do
  rows.begin()
  local ok, met, lost = true, {}, {}
  local n = tonumber(ARGV[at])
  for _ = 1, n do
    local id = ARGV[at + 1]
    if lost[id] or not write(id, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) then
      lost[id] = true
      ok = false
    end
    at = at + 5
  end
  at = at + 1
  n = tonumber(ARGV[at])
  for i = 1, n do
    local place, ifHeld, id, text, held = unpack(ARGV, at + 1, at + 5)
    at = at + 5
    local known = get(id)
    if not (replay and known) then
      local row = parse(id, turn .. place .. text, held ~= '' and held)
      local other = row.holds and holder(row.unique)
      local otherRow = other and get(other)
      if otherRow and not yields(otherRow) then
        met[#met + 1] = { i - 1, other, otherRow.text, otherRow.held or '' }
        if ifHeld == 'r' then ok = false end
      elseif known then
        return redis.error_reply('JOBFERRY there is a job ' .. id .. ' already')
      else
        set(id, row)
      end
    end
  end
  at = at + 1
  if ok then added = true else rows.undo() end
  results[batch] = { ok and 1 or 0, met }
end

if added then
  jobsBell = true
  call('incr', ns .. 'seq') -- a full server refuses it, and then nothing has been changed
  rows.commit()
end
`

export const insertLua: string = `${insertBatchesLua}
return { ring(), results }
`

/** One batch, in a pipeline of somebody who cannot decide anything by the answer: how many jobs were added, or an error and none. */
export const appendLua: string = `${insertBatchesLua}
ring()
local ok, met = results[1][1], results[1][2]
if ok == 0 then return redis.error_reply('JOBFERRY the unique key is held by job ' .. met[1][2] .. ', and onConflict is reject; nothing was added') end
return tonumber(ARGV[6]) - #met
`
