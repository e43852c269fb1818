import { frameLua, rowLua } from './frame.ts'

/** The items with the ids from `ARGV[3]` on. */
export const getLua: string = `
${frameLua}
${rowLua}
local rows = {}
for i = 3, #ARGV do rows[#rows + 1] = rowOf(ARGV[i], placeOf(ARGV[i])) end
return rows
`

/**
 * A page: the oldest first is what runs, from the right end of `processing`, then what waits, from the right end of the queue; the newest first is
 * the same backwards. `ARGV[3]` on: `oldest` or `newest`; 1 to leave out what waits in the queue; how many; ids to go on behind, of which the first that is
 * still there counts. The second list is where the first has ended, for who comes again.
 */
export const listLua: string = `
${frameLua}
${rowLua}
local oldest, onlyProcessing, limit = ARGV[3] == 'oldest', ARGV[4] == '1', tonumber(ARGV[5])
local lists = oldest and { processing, queue } or { queue, processing }
local first, from = 1, 0
for i = 6, #ARGV do
  local found
  for n, list in ipairs(lists) do
    local position = call('lpos', list, ARGV[i], 'rank', oldest and -1 or 1)
    if position then
      first, from = n, oldest and call('llen', list) - position or position + 1
      found = true
      break
    end
  end
  if found then break end
end

local rows, seen = {}, {}
for n = first, #lists do
  local list = lists[n]
  local at = n == first and from or 0
  while #rows < limit and not (onlyProcessing and list == queue) do
    local ids = oldest and call('lrange', list, -at - 200, -at - 1) or call('lrange', list, at, at + 199)
    if #ids == 0 then break end
    for i = oldest and #ids or 1, oldest and 1 or #ids, oldest and -1 or 1 do
      local id = ids[i]
      at = at + 1
      if not seen[id] and not (list == queue and call('exists', leaseOf(id)) == 1) then
        seen[id] = true
        local row = rowOf(id, list == queue and 'queue' or 'processing')
        if row[2] then rows[#rows + 1] = row end
        if #rows == limit then break end
      end
    end
  end
end
return rows
`

/** How many items wait in the queue, the one to be taken next, and id, lease and what is left of it for each in `processing`. */
export const countsLua: string = `
${frameLua}
local held = {}
for _, id in ipairs(call('lrange', processing, 0, -1)) do
  if call('exists', itemOf(id)) == 1 then
    local lease = call('get', leaseOf(id))
    held[#held + 1] = { id, lease or '', lease and call('pttl', leaseOf(id)) or 0 }
  end
end
return { call('llen', queue), call('lindex', queue, -1) or '', held }
`

/** How many ids are in either list: what other clients ask for one by one. */
export const lengthsLua: string = `
${frameLua}
return { call('llen', queue), call('llen', processing) }
`

/** The server's clock: seconds, and microseconds within. */
export const timeLua: string = `return redis.call('time')`
