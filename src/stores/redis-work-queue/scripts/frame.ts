/**
 * What every script begins with. `KEYS[1]` is the prefix, and itself a key that nothing is ever kept under; `ARGV[1]` says who calls, `ARGV[2]` is
 * 1 when the call may have been made before, with the answer lost.
 *
 * The keys and their order of change are those of the protocol: the data before the id is pushed; out of `processing` before it is pushed anew.
 */
export const frameLua: string = `
local prefix, replay = KEYS[1], ARGV[2] == '1'
local call, sub = redis.call, string.sub
local queue, processing = prefix .. ':queue', prefix .. ':processing'
local function itemOf(id) return prefix .. ':item:' .. id end
local function leaseOf(id) return prefix .. ':lease:' .. id end

-- The data of an item; nil if there is none: no data, no item. What is no text belongs to a queue whose prefix begins with ours.
local function dataOf(id)
  if call('type', itemOf(id)).ok == 'string' then return call('get', itemOf(id)) end
end

-- Whether a lease is one of ours that keeps an item waiting until its next run.
local function waits(lease) return lease and sub(lease, 1, 15) == 'jobferry-waits:' end

-- Back to the left end of the queue, as every cleaner does it.
local function requeue(id)
  call('lrem', processing, 0, id)
  call('lpush', queue, id)
end
`

/** An item as it is now: its id, data and lease, the milliseconds that the lease has left, and where its id is. */
export const rowLua: string = `
local function rowOf(id, place)
  local data = dataOf(id)
  if not data then return { id } end
  local lease = call('get', leaseOf(id))
  return { id, data, lease or '', lease and call('pttl', leaseOf(id)) or 0, place }
end

local function placeOf(id)
  if call('exists', leaseOf(id)) == 1 then return 'processing' end
  if call('lpos', queue, id, 'rank', -1) then return 'queue' end
  if call('lpos', processing, id) then return 'processing' end
  return 'none'
end
`
