import { frameLua } from './frame.ts'
import { rowsLua } from './rows.ts'

/**
 * Writes as `apply` takes them, from `ARGV[from]` on. First the ends of runs that no index but the usual knows of, in groups of one lane,
 * revision, lease and fate: lane, rev, lease, `-` for removed or where they are kept (`completed:`), how many, their ids; of those kept also their rows,
 * with seq, and then when each is to be forgotten. Then all others in order: id, rev, lease, row, held. Answers with the refused: which, row, held.
 *
 * Nothing is written before everything has been decided. The ends of runs are a handful of commands for all of them. `running` gathers by
 * how many fewer run in each lane; whoever calls writes it.
 */
export const settleLua: string = `
local running = {}

local function settle(from)
  if ARGV[from] == '0' and ARGV[from + 1] == '0' then return {} end
  -- Raises, before anything is written by this or by the claim behind it, if one of our keys holds what is not ours.
  call('zcard', ns .. 'ids')
  call('zcard', ns .. 'leases')
  call('hlen', ns .. 'running')
  call('hlen', ns .. 'held')
  call('unlink', ns) -- a full server must still drain: once a script has written, it may go on writing
  local refused, groups, index, at = {}, {}, 0, from + 1
  local function refuse(id)
    local row = rowsOf().get(id)
    refused[#refused + 1] = { index, row and row.text or '', row and row.held or '' }
  end

  for g = 1, tonumber(ARGV[from]) do
    local lane, rev, lease, place, n = ARGV[at], ARGV[at + 1], ARGV[at + 2] .. '\\n', ARGV[at + 3], tonumber(ARGV[at + 4])
    local kept = place ~= '-'
    local first, leaseTo = at + 4, 9 + #lease
    local ids, texts, forgets, marks, m = {}, {}, {}, {}, 0
    local helds = call('hmget', ns .. 'held', unpack(ARGV, first + 1, first + n))
    for i = 1, n do
      local id, held = ARGV[first + i], helds[i]
      local text = kept and ARGV[first + n + i]
      if held and sub(held, 1, 8) == rev and sub(held, 10, leaseTo) == lease then
        m = m + 1
        ids[m] = id
        if kept then
          texts[2 * m - 1], texts[2 * m] = ns .. 'job:' .. id, text
          marks[2 * m - 1], marks[2 * m] = '0', id
          local forgetAt = ARGV[first + 2 * n + i]
          if forgetAt ~= '' then
            forgets[#forgets + 1] = forgetAt
            forgets[#forgets + 1] = sub(text, 1, 16) .. id
          end
        end
      else
        -- Asked a second time, what is as it was to be was done the first time.
        local row = replay and rowsOf().get(id)
        if not (replay and ((not kept and not row) or (kept and row and row.text == text and not row.held))) then refuse(id) end
      end
      index = index + 1
    end
    if m > 0 then
      groups[#groups + 1] = { lane = lane, place = kept and place, ids = ids, texts = texts, marks = marks, forgets = forgets }
      if kept then
        call('zcard', ns .. place .. lane)
        call('zcard', ns .. 'forget')
      end
      if settingsOf(match(lane, '^[^:]*')).concurrency then jobsBell = true end
    end
    at = first + (kept and 3 or 1) * n + 1
  end

  local others = tonumber(ARGV[at])
  if others > 0 then
    local careful, ids, lost = rowsOf(), {}, {}
    for i = 1, others do ids[i] = ARGV[at - 4 + 5 * i] end
    careful.load(ids)
    for i = at + 1, at + 5 * others, 5 do
      local id = ARGV[i]
      -- What builds on a refused write may have the right rev by chance, but was decided on a row that never was.
      if lost[id] or not careful.write(id, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) then
        lost[id] = true
        refuse(id)
      end
      index = index + 1
    end
    careful.commit()
  end

  local logged = groups[1] and call('exists', ns .. 'lines') == 1 -- whether anybody has ever written a line
  for _, group in ipairs(groups) do
    local ids = group.ids
    if group.place then
      many('mset', nil, group.texts)
      many('zadd', ns .. group.place .. group.lane, group.marks)
      many('zadd', ns .. 'forget', group.forgets)
    else
      many('unlink', nil, keysOf('job:', ids))
      if logged then many('unlink', nil, keysOf('log:', ids)) end
      many('zrem', ns .. 'ids', ids)
    end
    many('hdel', ns .. 'held', ids)
    many('zrem', ns .. 'leases', ids)
    running[group.lane] = (running[group.lane] or 0) - #ids
  end
  return refused
end
`

/** Stores what has been decided. Begins with a command that a full server takes, so that it may free and move what it likes. */
export const applyLua: string = `${frameLua}${rowsLua}${settleLua}
local refused = settle(3)
for lane, by in pairs(running) do count('running', lane, by) end
return { ring(), refused }
`
