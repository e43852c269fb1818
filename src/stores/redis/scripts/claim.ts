import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'
import { settleLua } from './settle.ts'

/**
 * Takes the first due jobs. `ARGV`: 3 now, 4 the end of the lease, 5 its token, 6 the most to take, 7 how many tasks are
 * named (-1: any) with the most of each, then how many queues (-1: any). Answers: what to ring, the refused, the
 * jobs (id, row), when the next falls due, and whether to ask again, since so many jobs of busy keys lay at the head that the rest of
 * them is left for another call.
 *
 * The head of each lane is in claim order; lanes of one rank are merged. Jobs whose concurrency key is busy are set aside (`parked`)
 * until a write lets the first of them back, so that a backlog behind one key is walked over once, not at every claim.
 */
export const takeLua: string = takes(`${frameLua}
local running = {}
`)

/** Settles what follows in `ARGV`, as `settleLua` says, and then takes. */
export const claimLua: string = takes(
  `${frameLua}${rowsLua}${settleLua}`,
  `refused = settle(at)
if made then open = call('zrange', ns .. 'open', 0, -1, 'withscores') end
`,
)

/** @param beginning what has to be known · @param settles what comes before the first look */
function takes(beginning: string, settles = ''): string {
  return `${beginning}
local now, leaseUntil, lease, limit = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local mostParked, mostIdle, mostPeeked = 5000, 16, 16

local at = 8
local leftOfTask, wantedQueues
local given = tonumber(ARGV[7])
if given >= 0 then
  leftOfTask = {}
  for _ = 1, given do
    leftOfTask[ARGV[at]] = tonumber(ARGV[at + 1])
    at = at + 2
  end
end
given = tonumber(ARGV[at])
at = at + 1
if given >= 0 then
  wantedQueues = {}
  for _ = 1, given do
    wantedQueues[ARGV[at]] = true
    at = at + 1
  end
end

local open = call('zrange', ns .. 'open', 0, -1, 'withscores')
anySet = open[1] == '!'
local refused = {}
${settles}local bells = ring()

-- Asked a second time: what the first time took is found by its lease.
if replay then
  local found, all = {}, call('hgetall', ns .. 'held')
  for i = 1, #all, 2 do
    if match(all[i + 1], '^.........([^\\n]*)') == lease then
      found[#found + 1] = all[i]
      found[#found + 1] = call('get', ns .. 'job:' .. all[i])
    end
  end
  if #found > 0 then
    for lane, by in pairs(running) do count('running', lane, by) end
    return { bells, refused, found, '', 0 }
  end
end

local lanes, leftOfQueue, limited = {}, {}, false
for i = anySet and 3 or 1, #open, 2 do
  local lane = open[i]
  local queue, task = match(lane, '^([^:]*):([^:]*):')
  if (not leftOfTask or leftOfTask[task]) and (not wantedQueues or wantedQueues[queue]) then
    local set = settingsOf(queue)
    if not set.paused then
      if set.concurrency then
        leftOfQueue[queue] = set.concurrency
        limited = true
      end
      lanes[#lanes + 1] = {
        name = lane, key = ns .. 'ready:' .. lane, queue = queue, task = task, queuePriority = set.priority, priority = tonumber(open[i + 1]),
        head = {}, at = 1, step = 2, seen = 0, over = false, taken = {}, lost = 0, parked = {},
      }
    end
  end
end

if limited then
  local all = call('hgetall', ns .. 'running')
  for i = 1, #all, 2 do
    local queue = match(all[i], '^[^:]*')
    if leftOfQueue[queue] then leftOfQueue[queue] = leftOfQueue[queue] - all[i + 1] - (running[all[i]] or 0) end
  end
end

local ids, texts, members, laneOf, busy, walked, again = {}, {}, {}, {}, {}, 0, 0

local function closed(lane)
  local task, queue = leftOfTask and leftOfTask[lane.task], leftOfQueue[lane.queue]
  return (task and task <= 0) or (queue and queue <= 0)
end

-- Reads a few of the lane, and what falls due next behind them in the same command.
local function peek(lane, size)
  local head = call('zrangebyscore', lane.key, '-inf', '+inf', 'withscores', 'limit', lane.seen, size + 1)
  local n, at = #head, tonumber(now)
  if n < 2 * size + 2 then lane.over, lane.nextAt = true, '' end
  while n > 0 and tonumber(head[n]) > at do
    lane.over, lane.nextAt = true, head[n]
    head[n - 1], head[n] = nil, nil
    n = n - 2
  end
  lane.head, lane.at, lane.seen = head, 1, lane.seen + n / 2
  return n > 0
end

-- Has the head of the lane at hand, if there is one that is due; with the times where lanes have to be compared.
local function look(lane, size)
  if lane.at <= #lane.head then return true end
  if lane.over then return false end
  if size <= mostPeeked and lane.step == 2 then return peek(lane, size) end
  if lane.step == 2 then
    lane.head = call('zrangebyscore', lane.key, '-inf', now, 'withscores', 'limit', lane.seen, size)
  else
    lane.head = call('zrangebyscore', lane.key, '-inf', now, 'limit', lane.seen, size)
  end
  local n = #lane.head
  lane.seen = lane.seen + n / lane.step
  lane.at = 1
  lane.over = n < lane.step * size
  return n > 0
end

-- Whether a comes before b: by time, then by who was added first.
local function before(a, b)
  local memberA, atA, memberB, atB = a.head[a.at], tonumber(a.head[a.at + 1]), b.head[b.at], tonumber(b.head[b.at + 1])
  if atA ~= atB then return atA < atB end
  local turnA, turnB = tonumber(sub(memberA, 1, 11), 16), tonumber(sub(memberB, 1, 11), 16)
  if turnA ~= turnB then return turnA < turnB end
  return tonumber(sub(memberA, 12, 16), 16) < tonumber(sub(memberB, 12, 16), 16)
end

-- The row is gone, though nothing of ours takes one without its place in the lane: somebody, or an eviction, has removed it.
local function drop(lane, member)
  lane.taken[#lane.taken + 1] = member
  lane.lost = lane.lost + 1
end

-- Takes the job at the head of the lane, or sets it aside if its key is busy.
local function pick(lane)
  local member = lane.head[lane.at]
  lane.at = lane.at + lane.step
  local id = sub(member, 18)
  if sub(member, 17, 17) == 'k' then
    local text = call('get', ns .. 'job:' .. id)
    if not text then return drop(lane, member) end
    local ckey = match(text, '^\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n([^\\n]*)', 29)
    local line = lane.queue .. ':' .. ckey
    if busy[line] == nil then busy[line] = call('hexists', ns .. 'busy', line) == 1 end
    if busy[line] then
      lane.parked[#lane.parked + 1] = { member = member, line = line, ckey = ckey }
      walked = walked + 1
      return
    end
    busy[line] = true
    lane.lines = lane.lines or {}
    lane.lines[#lane.lines + 1] = line
    texts[#ids + 1] = text
  end
  ids[#ids + 1] = id
  laneOf[#ids] = lane
  members[#ids] = member
  lane.taken[#lane.taken + 1] = member
  if leftOfTask then leftOfTask[lane.task] = leftOfTask[lane.task] - 1 end
  if leftOfQueue[lane.queue] then leftOfQueue[lane.queue] = leftOfQueue[lane.queue] - 1 end
end

table.sort(lanes, function(a, b)
  if a.queuePriority ~= b.queuePriority then return a.queuePriority < b.queuePriority end
  return a.priority < b.priority
end)

local from = 1
while from <= #lanes and #ids < limit and walked < mostParked do
  local rank, to = lanes[from], from
  while lanes[to + 1] and lanes[to + 1].queuePriority == rank.queuePriority and lanes[to + 1].priority == rank.priority do to = to + 1 end
  local size = math.max(math.ceil(limit / (to - from + 1)), 4)
  if from == to then
    if limit > mostPeeked then rank.step = 1 end
    while #ids < limit and walked < mostParked and not closed(rank) and look(rank, math.min(math.max(limit, walked), 1000)) do pick(rank) end
  else while #ids < limit and walked < mostParked do
    local first
    for i = from, to do
      local lane = lanes[i]
      if not closed(lane) and look(lane, math.min(math.max(size, walked), 1000)) and (not first or before(lane, first)) then first = lane end
    end
    if not first then break end
    pick(first)
  end end
  from = to + 1
end
if walked >= mostParked and #ids < limit then again = 1 end

if #ids > 0 then
  local missing = {}
  for i = 1, #ids do if not texts[i] then missing[#missing + 1] = ids[i] end end
  local more, j = each('mget', nil, keysOf('job:', missing)), 0
  for i = 1, #ids do
    if not texts[i] then
      j = j + 1
      texts[i] = more[j]
    end
  end
end

-- A member of more than 64 bytes makes Redis keep the leases as a skip list, however few they are: in a list of 100 a hundred more take
-- five times as long (1.1 µs a job against 0.2).
local jobs, held, leases, freed, freeing, memo, n = {}, {}, { 'inf', string.rep('~', 65) }, {}, {}, {}, 0
for i = 1, #ids do
  local id, text = ids[i], texts[i]
  if text then
    local head = sub(text, 17, 25)
    local line = memo[head]
    if not line then
      line = nextRev(sub(head, 1, 8)) .. sub(head, 9, 9) .. lease .. '\\n' .. leaseUntil .. '\\n' .. now
      memo[head] = line
    end
    held[n + 1], held[n + 2] = id, line
    leases[n + 3], leases[n + 4] = leaseUntil, id
    jobs[n + 1], jobs[n + 2] = id, text
    n = n + 2
    if sub(text, 27, 28) == 'c1' then
      local ukey = match(text, '^\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n([^\\n]*)', 29)
      freed[#freed + 1] = laneOf[i].queue .. ':' .. ukey
      freeing[#freeing + 1] = ns .. 'job:' .. id
    end
  else
    laneOf[i].lost = laneOf[i].lost + 1
  end
end

for _, lane in ipairs(lanes) do
  local n = #lane.taken - lane.lost
  if n > 0 then running[lane.name] = (running[lane.name] or 0) + n end
end
-- Begins with what a full server takes.
for _, lane in ipairs(lanes) do
  if #lane.taken > 0 then
    if #lane.parked == 0 then call('zremrangebyrank', lane.key, 0, #lane.taken - 1) else many('zrem', lane.key, lane.taken) end
  end
end
-- One of our keys holds what is not ours: what was written is taken back. Had this call settled, that would have shown before.
local ok, told = pcall(function()
  if #held > 0 then
    many('zadd', ns .. 'leases', leases)
    many('hset', ns .. 'held', held)
  end
  for lane, by in pairs(running) do count('running', lane, by) end
end)
if not ok then
  for i, id in ipairs(ids) do
    redis.pcall('zrem', ns .. 'leases', id)
    redis.pcall('hdel', ns .. 'held', id)
    if texts[i] then call('zadd', laneOf[i].key, match(texts[i], '^\\n([^\\n]*)', 29), members[i]) end
  end
  error(told, 0)
end
if #freed > 0 then
  many('hdel', ns .. 'unique', freed)
  for _, key in ipairs(freeing) do call('setrange', key, 27, '0') end
end
for _, lane in ipairs(lanes) do
  for _, line in ipairs(lane.lines or {}) do count('busy', line, 1) end
  for _, one in ipairs(lane.parked) do
    local runAt = call('zscore', lane.key, one.member)
    call('zrem', lane.key, one.member)
    call('zadd', ns .. 'parked:' .. lane.name, runAt, one.member)
    call('zadd', ns .. 'behind:' .. lane.name .. ':' .. one.ckey, runAt, one.member)
    call('sadd', ns .. 'lines:' .. one.line, lane.name)
  end
end

local nextAt = ''
if #ids < limit or limit == 0 then
  for _, lane in ipairs(lanes) do
    local first = lane.nextAt or call('zrangebyscore', lane.key, '(' .. now, '+inf', 'withscores', 'limit', 0, 1)[2] or ''
    if first ~= '' and (nextAt == '' or tonumber(first) < tonumber(nextAt)) then nextAt = first end
    -- A lane that has run empty is mostly filled again soon: a few of them may stay open.
    if first == '' and #open > 2 * mostIdle and call('exists', lane.key) == 0 then call('zrem', ns .. 'open', lane.name) end
  end
end
return { bells, refused, jobs, nextAt, again }
`
}
