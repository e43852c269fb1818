import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'

/**
 * One stretch of a page. `ARGV`: 3 1 for the oldest first, 4 the id to go on behind, 5 the most jobs to answer, 6 the smallest id, then what
 * to narrow by, `*` for anything: 7 queue, 8 task, 9 state letter, 10 created from, 11 created until, 12 unique key, 13 parent.
 * Answers: id, row and held of each job, and the id to go on behind, empty when there are no more.
 *
 * Each filter leads to sets that are in the order of ids, or to few enough jobs to sort: a unique key and a parent have sets of their own,
 * finished jobs one for each lane and state; those that wait or run in the lanes asked for are either few, or so many that a walk over all ids
 * finds a page of them soon. One call looks at a bounded number of jobs; the store goes on where it has ended.
 */
export const listLua: string = `${frameLua}${rowsLua}
local few, mostLooked = 20000, 2000
local oldest, after, limit, first = ARGV[3] == '1', ARGV[4], tonumber(ARGV[5]), ARGV[6]
local queue, task, state, createdFrom, createdUntil, ukey, parent = unpack(ARGV, 7, 13)
local finished = { c = 'completed:', f = 'failed:', x = 'cancelled:' }

local function inOrder(a, b) if oldest then return a < b else return a > b end end

-- Ids of a set that is in their order, behind the last one seen.
local function page(key, n)
  if oldest then
    local from = after == '' and (first == '' and '-' or '[' .. first) or '(' .. after
    if after ~= '' and first ~= '' and after < first then from = '[' .. first end
    return call('zrangebylex', ns .. key, from, '+', 'limit', 0, n)
  end
  return call('zrevrangebylex', ns .. key, after == '' and '+' or '(' .. after, first == '' and '-' or '[' .. first, 'limit', 0, n)
end

local function beyond(id)
  return (first == '' or id >= first) and (after == '' or inOrder(after, id))
end

local lanes, narrow = {}, queue ~= '*' or task ~= '*'
local function chosenLanes()
  for _, lane in ipairs(call('smembers', ns .. 'lanes')) do
    local laneQueue, laneTask = match(lane, '^([^:]*):([^:]*):')
    if (queue == '*' or laneQueue == queue) and (task == '*' or laneTask == task) then lanes[#lanes + 1] = lane end
  end
end

-- The ids to look at, in order, and whether there are more behind them.
local ids, more = {}, false
local function walk(key)
  ids = page(key, mostLooked)
  more = #ids == mostLooked
end
local function gather(list, from) for _, member in ipairs(list) do
  local id = sub(member, from)
  if beyond(id) then ids[#ids + 1] = id end
end end
local function gatherRunning() gather(call('hkeys', ns .. 'held'), 1) end
-- Of several lanes only so far as all of them were read.
local function gatherFinished(letter, n)
  local horizon
  for _, lane in ipairs(lanes) do
    local own = page(finished[letter] .. lane, n)
    if #own == n and (not horizon or inOrder(own[n], horizon)) then horizon = own[n] end
    gather(own, 1)
  end
  if not horizon then return end
  more = true
  local near = {}
  for _, id in ipairs(ids) do if not inOrder(horizon, id) then near[#near + 1] = id end end
  ids = near
end

if ukey ~= '*' then walk('key:' .. ukey)
elseif parent ~= '*' then walk('parent:' .. parent)
elseif state == 'r' then gatherRunning()
elseif finished[state] then
  chosenLanes()
  gatherFinished(state, createdUntil == '*' and math.min(limit, mostLooked) or mostLooked)
elseif state == '*' and not narrow then walk('ids')
else
  chosenLanes()
  local total = 0
  for _, lane in ipairs(lanes) do
    total = total + call('zcard', ns .. 'ready:' .. lane) + call('zcard', ns .. 'parked:' .. lane)
    if state == '*' then for _, place in pairs(finished) do total = total + call('zcard', ns .. place .. lane) end end
  end
  if total > few then walk('ids')
  else
    for _, lane in ipairs(lanes) do
      gather(call('zrange', ns .. 'ready:' .. lane, 0, -1), 18)
      gather(call('zrange', ns .. 'parked:' .. lane, 0, -1), 18)
    end
    if state == '*' then
      for _, place in pairs(finished) do for _, lane in ipairs(lanes) do gather(call('zrange', ns .. place .. lane, 0, -1), 1) end end
      gatherRunning()
    end
    more = false
  end
end
table.sort(ids, inOrder)

local function wanted(row)
  return (queue == '*' or row.queue == queue)
    and (task == '*' or match(row.lane, '^[^:]*:([^:]*):') == task)
    and (state == '*' or row.state == state)
    and (createdFrom == '*' or tonumber(row.createdAt) >= tonumber(createdFrom))
    and (createdUntil == '*' or tonumber(row.createdAt) < tonumber(createdUntil))
    and (ukey == '*' or row.ukey == ukey)
    and (parent == '*' or row.parent == parent)
end

local found, count, last = {}, 0, ''
local stretch = math.max(math.min(limit, 500), 20)
for i = 1, #ids, stretch do
  if count == limit then break end
  if i > mostLooked then
    more = true
    break
  end
  local some = { unpack(ids, i, math.min(i + stretch - 1, #ids)) }
  rowsOf().load(some)
  for _, id in ipairs(some) do
    if count == limit then break end
    local row = rowsOf().get(id)
    if row and wanted(row) then
      found[#found + 1] = id
      found[#found + 1] = row.text
      found[#found + 1] = row.held or ''
      count = count + 1
    end
    last = id
  end
end
return { found, count < limit and more and last or '' }
`
