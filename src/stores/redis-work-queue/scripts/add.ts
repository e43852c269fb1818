import { frameLua, rowLua } from './frame.ts'

/**
 * Adds items whose ids are free, batch by batch, and gives new data to some that wait.
 *
 * `ARGV[3]` on, for each batch: how many edits, how many items; for each edit id and data; for each item what to do when its id is taken (`keep`,
 * `refuse` its batch, `fail` the call: an id that was drawn), id and data. Answers for each batch whether it was stored, and for each item 1 or
 * whoever has its id.
 *
 * The data and the id in one step: nobody can die in between. A replay that finds what it was to add has added it.
 */
export const addLua: string = `
${frameLua}
${rowLua}
local batches, at = {}, 3
while ARGV[at] do
  local batch = { edits = {}, items = {} }
  local edits, items = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 2
  for i = 1, edits do
    batch.edits[i] = { id = ARGV[at], data = ARGV[at + 1] }
    at = at + 2
  end
  for i = 1, items do
    batch.items[i] = { taken = ARGV[at], id = ARGV[at + 1], data = ARGV[at + 2] }
    at = at + 3
  end
  batches[#batches + 1] = batch
end

for _, batch in ipairs(batches) do
  for _, item in ipairs(batch.items) do
    if item.taken == 'fail' and not replay and call('exists', itemOf(item.id)) == 1 then
      return redis.error_reply('JOBFERRY there is a job ' .. item.id .. ' already')
    end
  end
end

local function waiting(id)
  if call('exists', itemOf(id)) == 0 then return false end
  local lease = call('get', leaseOf(id))
  if lease then return waits(lease) end
  return call('lpos', queue, id, 'rank', -1)
end

local answers = {}
for _, batch in ipairs(batches) do
  local ok, held, own = 1, {}, {}
  for _, edit in ipairs(batch.edits) do
    if not waiting(edit.id) then ok = 0 end
  end
  for i, item in ipairs(batch.items) do
    local there = own[item.id] or dataOf(item.id)
    if there and not (replay and there == item.data) then
      held[i] = item.id
      if item.taken == 'refuse' then ok = 0 end
    elseif not there then
      own[item.id] = item.data
    end
  end
  if ok == 1 then
    for _, edit in ipairs(batch.edits) do call('set', itemOf(edit.id), edit.data) end
    for i, item in ipairs(batch.items) do
      if not held[i] and call('set', itemOf(item.id), item.data, 'NX') then call('lpush', queue, item.id) end
    end
  end
  local answer = { ok }
  for i in ipairs(batch.items) do
    local id = held[i]
    answer[i + 1] = id and (call('exists', itemOf(id)) == 1 and rowOf(id, placeOf(id)) or { id, own[id], '', 0, 'queue' }) or 1
  end
  answers[#answers + 1] = answer
end
return answers
`

/** Adds items without looking: `ARGV[3]` on, id and data of each. An id that is there already is given the new data, and listed twice. */
export const addUniqueLua: string = `
${frameLua}
for i = 3, #ARGV, 2 do
  call('set', itemOf(ARGV[i]), ARGV[i + 1])
  call('lpush', queue, ARGV[i])
end
return 1
`
