import { commitLua, rowsLua } from './rows.ts'

/**
 * Writes as `apply` takes them, from `ARGV[from]` on: first the removals of runs that no index but the usual knows of, in groups of one
 * lane and revision (lane, rev, how many, ids), then all others in order (id, rev, row, held). Answers with the refused: which, row, held.
 *
 * Nothing is written before the others have been decided. The removals, which end most runs, are a handful of commands for all of them.
 */
export const settleLua = `
local function settle(from)
  -- Raises, before anything is written by this or by the claim behind it, if one of our keys holds what is not ours.
  call('zcard', ns .. 'ids')
  call('zcard', ns .. 'leases')
  call('zcard', ns .. 'open')
  call('hlen', ns .. 'held')
  call('hlen', ns .. 'running')
  call('hlen', ns .. 'busy')
  call('hlen', ns .. 'unique')
  local refused, doomed, index, at = {}, {}, 0, from + 1
  for _ = 1, tonumber(ARGV[from]) do
    local lane, rev, n = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    local ids, m, helds = {}, 0, call('hmget', ns .. 'held', unpack(ARGV, at + 3, at + 2 + n))
    for i = 1, n do
      local id, held = ARGV[at + 2 + i], helds[i]
      if held and sub(held, 1, 8) == rev then
        m = m + 1
        ids[m] = id
      elseif not (replay and not get(id)) then
        local row = get(id)
        refused[#refused + 1] = { index, row and row.text or '', row and row.held or '' }
      end
      index = index + 1
    end
    if m > 0 then doomed[#doomed + 1] = { lane = lane, ids = ids } end
    at = at + 3 + n
  end

  local count_ = tonumber(ARGV[at])
  if count_ > 0 then
    local ids = {}
    for i = 1, count_ do ids[i] = ARGV[at - 3 + 4 * i] end
    load(ids)
    local lost = {}
    for i = at + 1, at + 4 * count_, 4 do
      local id = ARGV[i]
      -- What builds on a refused write may have the right rev by chance, but was decided on a row that never was.
      if lost[id] or not write(id, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) then
        lost[id] = true
        local row = get(id)
        refused[#refused + 1] = { index, row and row.text or '', row and row.held or '' }
      end
      index = index + 1
    end
  end

  for _, group in ipairs(doomed) do
    if settingsOf(match(group.lane, '^[^:]*')).concurrency then jobsBell = true end
  end
  if #touched > 0 then commit() end
  local logged = #doomed > 0 and call('exists', ns .. 'lines') == 1 -- whether anybody has ever written a line
  for _, group in ipairs(doomed) do
    local ids = group.ids
    many('unlink', nil, keysOf('job:', ids))
    if logged then many('unlink', nil, keysOf('log:', ids)) end
    many('hdel', ns .. 'held', ids)
    many('zrem', ns .. 'leases', ids)
    many('zrem', ns .. 'ids', ids)
    count('running', group.lane, -#ids)
  end
  return refused
end
`

/** Stores what has been decided. Begins with a command that a full server takes, so that it may free and move what it likes. */
export const applyLua = `${rowsLua}${commitLua}${settleLua}
call('unlink', ns)
local refused = settle(3)
return { ring(), refused }
`
