import { frameLua, rowLua } from './frame.ts'

/** The ids in `processing` that nobody has the lease of, from the oldest on, and how long the lease that ends first has left, in milliseconds; -1 for none. */
export const abandonedLua: string = `
${frameLua}
local ids, first = {}, -1
local all = call('lrange', processing, 0, -1)
for i = #all, 1, -1 do
  local ms = call('pttl', leaseOf(all[i]))
  if ms == -2 then ids[#ids + 1] = all[i]
  elseif ms >= 0 and (first < 0 or ms < first) then first = ms end
end
return { ids, first }
`

/** The rows of those of the ids from `ARGV[3]` on that are abandoned: an item, and no lease. */
export const rowsLua: string = `
${frameLua}
${rowLua}
local rows = {}
for i = 3, #ARGV do
  local row = rowOf(ARGV[i], 'processing')
  if row[2] and row[3] == '' then rows[#rows + 1] = row end
end
return rows
`

/**
 * The light clean of the protocol over the ids from `ARGV[3]` on: what nobody has the lease of leaves `processing`, and goes back to the queue if
 * it is an item. Says how many did.
 */
export const lightLua: string = `
${frameLua}
local count = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  if call('exists', leaseOf(id)) == 0 and call('lrem', processing, 0, id) > 0 and dataOf(id) then
    call('lpush', queue, id)
    count = count + 1
  end
end
return count
`

/** Drops from `processing` those of the ids from `ARGV[3]` on that are no items. Says how many. */
export const dropLua: string = `
${frameLua}
local count = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  if call('exists', leaseOf(id)) == 0 and not dataOf(id) then count = count + call('lrem', processing, 0, id) end
end
return count
`

/**
 * One step through all keys of the server, from the cursor `ARGV[3]` with the pattern `ARGV[4]`: the next cursor, and ids of items without a lease.
 * The keys of a queue whose prefix begins with ours and `:item:` look like items, and are left out where that queue has any list.
 */
export const scanLua: string = `
${frameLua}
local function isInner(id)
  for _, kind in ipairs({ ':item:', ':lease:' }) do
    local inner = string.match(id, '^(.*)' .. kind)
    if inner and call('exists', itemOf(inner) .. ':queue', itemOf(inner) .. ':processing') > 0 then return true end
  end
end

local answer = call('scan', ARGV[3], 'match', ARGV[4], 'count', 1000)
local ids, beginning = {}, #itemOf('') + 1
for _, key in ipairs(answer[2]) do
  local id = sub(key, beginning)
  if call('type', key).ok == 'string' and call('exists', leaseOf(id)) == 0 and not isInner(id) then ids[#ids + 1] = id end
end
return { answer[1], ids }
`

/**
 * The deep clean of the protocol over the ids from `ARGV[4]` on: an item that nobody has the lease of, and that does not wait, goes back to the
 * queue. With `ARGV[3]` 1 only one that is in neither list. Says how many did.
 */
export const deepLua: string = `
${frameLua}
local count = 0
for i = 4, #ARGV do
  local id = ARGV[i]
  if dataOf(id) and call('exists', leaseOf(id)) == 0 and not call('lpos', queue, id)
    and not (ARGV[3] == '1' and call('lpos', processing, id)) then
    requeue(id)
    count = count + 1
  end
end
return count
`
