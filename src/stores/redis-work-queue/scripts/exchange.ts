import { frameLua } from './frame.ts'

/**
 * Ends runs and changes items that wait, then takes items.
 *
 * `ARGV[3]`: how many changes; each is five: what, id, the lease it is decided under, a text, a number. Then the new lease, its length in milliseconds,
 * how many to take, and the ids of items whose next run is due by our clock. Answers: 1 for each change that was made, 0 for one refused; then
 * id and data of each item taken; then 1 if the queue was emptied.
 *
 * An id that somebody has the lease of is not taken again, though it stands in the queue twice: it goes to `processing`, where cleaners
 * find it when that lease has ended. An id without data is dropped.
 */
export const exchangeLua: string = `
${frameLua}
local change = {}

-- Done: the item is no more. True for exactly one.
change['end'] = function(id, lease)
  local now = call('get', leaseOf(id))
  if now and now ~= lease then return 0 end
  if not now then return (replay and call('exists', itemOf(id)) == 0) and 1 or 0 end
  local done = call('del', itemOf(id))
  call('lrem', processing, 0, id)
  call('del', leaseOf(id))
  return done
end

-- Back to where it was taken from.
change['back'] = function(id, lease)
  local now = call('get', leaseOf(id))
  if now ~= lease then return (replay and not now and call('exists', itemOf(id)) == 1) and 1 or 0 end
  call('lrem', processing, 0, id)
  call('del', leaseOf(id))
  if call('exists', itemOf(id)) == 0 then return 0 end
  call('rpush', queue, id)
  return 1
end

-- Kept from everybody by a lease (the text) for so many milliseconds (the number): until its next run.
change['wait'] = function(id, lease, text, ms)
  local now = call('get', leaseOf(id))
  if now == text then return 1 end
  if now ~= lease or call('exists', itemOf(id)) == 0 then return 0 end
  if tonumber(ms) > 0 then
    call('set', leaseOf(id), text, 'PX', ms)
  else
    call('del', leaseOf(id))
    requeue(id)
  end
  return 1
end

-- Taken back from whoever has let its lease run out.
change['clean'] = function(id)
  if call('exists', leaseOf(id)) == 1 or call('exists', itemOf(id)) == 0 then return 0 end
  if call('lrem', processing, 0, id) == 0 then return replay and 1 or 0 end
  call('lpush', queue, id)
  return 1
end

-- Removed, if nobody has it. A client that has popped the id and not taken its lease yet has it, too.
change['remove'] = function(id)
  local now = call('get', leaseOf(id))
  if now and not waits(now) then return 0 end
  if now then
    call('lrem', processing, 0, id)
    call('del', leaseOf(id))
  elseif call('lpos', processing, id) or call('lrem', queue, -1, id) == 0 then
    return (replay and call('exists', itemOf(id)) == 0) and 1 or 0
  end
  return call('del', itemOf(id))
end

-- Given new data (the text), if it waits.
change['put'] = function(id, _, text)
  local now = call('get', leaseOf(id))
  if now and not waits(now) or call('exists', itemOf(id)) == 0 then return 0 end
  if not now and not call('lpos', queue, id, 'rank', -1) then return 0 end
  call('set', itemOf(id), text)
  return 1
end

-- Made due, if it waits.
change['due'] = function(id)
  local now = call('get', leaseOf(id))
  if call('exists', itemOf(id)) == 0 or now and not waits(now) then return 0 end
  if now then
    call('del', leaseOf(id))
    requeue(id)
  end
  return 1
end

local made, at = {}, 4
for i = 1, tonumber(ARGV[3]) do
  made[i] = change[ARGV[at]](ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
  at = at + 5
end

local lease, ms, limit = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
for i = at + 3, #ARGV do
  local id = ARGV[i]
  local now = call('get', leaseOf(id))
  if (not now or waits(now)) and call('exists', itemOf(id)) == 1 and call('lrem', processing, 0, id) > 0 then
    call('del', leaseOf(id))
    call('lpush', queue, id)
  end
end

local taken, empty = {}, 0
if replay and limit > 0 then
  for _, id in ipairs(call('lrange', processing, 0, -1)) do
    local data = call('get', leaseOf(id)) == lease and dataOf(id)
    if data then
      taken[#taken + 1] = id
      taken[#taken + 1] = data
    end
  end
end
local looked = 0
while #taken < 2 * limit and looked < 10000 do
  local id = call('rpop', queue)
  if not id then
    empty = 1
    break
  end
  looked = looked + 1
  local data = dataOf(id)
  if data then
    if call('set', leaseOf(id), lease, 'NX', 'PX', ms) then
      call('lpush', processing, id)
      taken[#taken + 1] = id
      taken[#taken + 1] = data
    elseif not call('lpos', processing, id) then
      call('lpush', processing, id)
    end
  end
end
return { made, taken, empty }
`

/** Moves the end of leases: `ARGV[3]` is their new length in milliseconds, then id and lease of each. 1 for those still held. */
export const renewLua: string = `
${frameLua}
local held = {}
for i = 4, #ARGV, 2 do
  local own = call('get', leaseOf(ARGV[i])) == ARGV[i + 1]
  held[#held + 1] = own and call('pexpire', leaseOf(ARGV[i]), ARGV[3]) or 0
end
return held
`

/**
 * Completes an item by its id alone (`ARGV[3]`), whoever has it, as every client does; under a lease (`ARGV[4]`) only if it is still held. A replay
 * that finds neither lease nor item has done it the first time; without a lease that is not known: 2.
 */
export const completeLua: string = `
${frameLua}
local id, lease = ARGV[3], ARGV[4]
if lease ~= '' and call('get', leaseOf(id)) ~= lease then return (replay and call('exists', itemOf(id)) == 0) and 1 or 0 end
local done = call('del', itemOf(id))
if call('lrem', processing, 0, id) == 0 and done == 1 then call('lrem', queue, 0, id) end
call('del', leaseOf(id))
return (done == 0 and replay and lease == '') and 2 or done
`
