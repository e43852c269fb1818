import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'

/**
 * Adds jobs that nothing can be in the way of: no unique key to hold, no writes. From `ARGV[3]` on, in order: runs of jobs of one lane
 * (lane, its priority, how many, then for each: its place in the call (5 hex digits), its mark and id in one; its id; `runAt`; its row).
 *
 * All are added by one command that does nothing if one of the ids is there already.
 */
export const addLua: string = `
local ns, caller, replay = KEYS[1], ARGV[1], ARGV[2] == '1'
local call, sub = redis.call, string.sub

-- Raises, before anything is written, if one of our keys holds what is not ours. A lane that is open is known by all.
local lanes, opened, names, at = {}, {}, {}, 3
while ARGV[at] do
  local lane = ARGV[at]
  if not lanes[lane] then
    lanes[lane] = {}
    call('zcard', ns .. 'ready:' .. lane)
    if not call('zscore', ns .. 'open', lane) then
      opened[#opened + 1] = ARGV[at + 1]
      opened[#opened + 1] = lane
      names[#names + 1] = lane
      call('scard', ns .. 'lanes')
    end
  end
  at = at + 3 + 4 * ARGV[at + 2]
end
call('zcard', ns .. 'ids')

local turn = string.format('%011x', call('incr', ns .. 'seq')) -- a full server refuses it, and then nothing has been changed
local texts, ids, n = {}, {}, 0
at = 3
while ARGV[at] do
  local members = lanes[ARGV[at]]
  local last = at + 2 + 4 * ARGV[at + 2]
  local m = #members
  for i = at + 3, last, 4 do
    local tail, id = ARGV[i], ARGV[i + 1]
    members[m + 1], members[m + 2] = ARGV[i + 2], turn .. tail
    m = m + 2
    texts[n + 1], texts[n + 2] = ns .. 'job:' .. id, turn .. sub(tail, 1, 5) .. ARGV[i + 3]
    ids[n + 1], ids[n + 2] = '0', id
    n = n + 2
  end
  at = last + 1
end

local free = true
if n <= 6000 then
  free = call('msetnx', unpack(texts)) == 1
else
  for i = 1, n, 2 do free = free and call('exists', texts[i]) == 0 end
  if free then for i = 1, n, 6000 do call('mset', unpack(texts, i, math.min(i + 5999, n))) end end
end
if not free then
  if replay then return 0 end -- they were added the first time
  for i = 2, n, 2 do
    if call('exists', texts[i - 1]) == 1 then return redis.error_reply('JOBFERRY there is a job ' .. ids[i] .. ' already') end
  end
end

for i = 1, n, 6000 do call('zadd', ns .. 'ids', unpack(ids, i, math.min(i + 5999, n))) end
for lane, members in pairs(lanes) do
  for i = 1, #members, 6000 do call('zadd', ns .. 'ready:' .. lane, unpack(members, i, math.min(i + 5999, #members))) end
end
for i = 1, #opened, 6000 do call('zadd', ns .. 'open', unpack(opened, i, math.min(i + 5999, #opened))) end
for i = 1, #names, 6000 do call('sadd', ns .. 'lanes', unpack(names, i, math.min(i + 5999, #names))) end
call('publish', ns .. 'bell', caller .. ' jobs')
return 1
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
