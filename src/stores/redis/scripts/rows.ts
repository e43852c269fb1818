/**
 * Changes of rows, one by one, with everything that leads to them. Made when a script needs it (`rowsOf()`): Lua would make all of it anew
 * at every call.
 *
 * The work is done on rows in memory, and what came of it is then written all at once (`commit`): whatever can be refused, or go wrong
 * because somebody else has put another type under one of our keys, does so before the first write.
 */
export const rowsLua: string = `
local function makeRows()
  local rows, was, touched = {}, {}, {}       -- by id: as it is to be, as it is in Redis; false for none
  local holders, holderWas = {}, {}           -- by queue and unique key: who holds it; false for nobody
  local named = {}                            -- lanes that rows were put in, if only for a moment: they are remembered
  local journal                               -- how to get back to before the current batch

  -- A row as row.ts writes it, its seq before it, and its line in held, if it runs. Tables made here are never changed.
  local function parse(id, text, held)
    local runAt, createdAt, forgetAt, windowEnd, lane, ckey, ukey, parent =
      match(text, '^\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n', 29)
    local queue = match(lane, '^[^:]*')
    return {
      id = id, text = text, held = held, seq = sub(text, 1, 16),
      member = sub(text, 1, 16) .. (ckey == '' and '-' or 'k') .. id,
      rev = held and sub(held, 1, 8) or sub(text, 17, 24),
      cancel = held and sub(held, 9, 9) or sub(text, 25, 25),
      state = held and 'r' or sub(text, 26, 26),
      kind = sub(text, 27, 27), holds = sub(text, 28, 28) == '1',
      runAt = runAt, createdAt = createdAt, forgetAt = forgetAt, windowEnd = windowEnd,
      lane = lane, queue = queue, ckey = ckey, ukey = ukey, parent = parent,
      unique = queue .. ':' .. ukey, line = queue .. ':' .. ckey,
    }
  end

  local function keep(id, text, held)
    local row = text and parse(id, text, held) or false
    rows[id], was[id] = row, row
    touched[#touched + 1] = id
    return row
  end

  -- Reads what is not known yet of these jobs, in two commands.
  local function load(ids)
    local missing, seen = {}, {}
    for _, id in ipairs(ids) do
      if rows[id] == nil and not seen[id] then
        seen[id] = true
        missing[#missing + 1] = id
      end
    end
    if #missing == 0 then return end
    local texts, helds = each('mget', nil, keysOf('job:', missing)), each('hmget', ns .. 'held', missing)
    for i, id in ipairs(missing) do keep(id, texts[i], helds[i]) end
  end

  local function get(id)
    if rows[id] == nil then load({ id }) end
    return rows[id]
  end

  local function holder(unique)
    local id = holders[unique]
    if id == nil then
      id = call('hget', ns .. 'unique', unique)
      holders[unique], holderWas[unique] = id, id
    end
    return id
  end

  local function hold(unique, id)
    holder(unique)
    if journal then journal[#journal + 1] = { holders, unique, holders[unique] } end
    holders[unique] = id
  end

  -- The job is this row from now on; false takes it away.
  local function set(id, row)
    local old = rows[id]
    if journal then journal[#journal + 1] = { rows, id, old } end
    rows[id] = row
    if row and not named[row.lane] then
      if journal then journal[#journal + 1] = { named, row.lane, nil } end
      named[row.lane] = true
    end
    if old and old.holds and not (row and row.holds and row.unique == old.unique) then hold(old.unique, false) end
    if row and row.holds then hold(row.unique, id) end
  end

  local function undo()
    for i = #journal, 1, -1 do
      local entry = journal[i]
      entry[1][entry[2]] = entry[3]
    end
  end

  -- Stores a row decided on revision rev and under a lease (none: empty); an empty text removes it. Says whether it did. A key that another holds is gone without.
  local function write(id, rev, lease, text, held)
    local row = get(id)
    if held == '' then held = false end
    if not row or row.rev ~= rev or (row.held and match(row.held, '^.........([^\\n]*)') or '') ~= lease then
      -- Asked a second time, what is as it was to be was done the first time.
      return replay and ((text == '' and not row) or (row and text == sub(row.text, 17) and held == row.held))
    end
    if text == '' then
      set(id, false)
      return true
    end
    local after = parse(id, row.seq .. text, held)
    if after.holds then
      local other = holder(after.unique)
      if other and other ~= id then after = parse(id, sub(after.text, 1, 27) .. '0' .. sub(after.text, 29), held) end
    end
    set(id, after)
    return true
  end

  local places = { p = 'ready:', c = 'completed:', f = 'failed:', x = 'cancelled:' }

  -- Puts a and b into the list of a key.
  local function into(lists, key, a, b)
    local list = lists[key]
    if not list then
      list = {}
      lists[key] = list
    end
    list[#list + 1] = a
    if b then list[#list + 1] = b end
  end

  -- The key may be free now, or its first job gone from the turn: in each lane the first job set aside comes back.
  local function unpark(line, ckey)
    for _, lane in ipairs(call('smembers', ns .. 'lines:' .. line)) do
      local behind = ns .. 'behind:' .. lane .. ':' .. ckey
      local first = call('zrange', behind, 0, 0, 'withscores')
      if first[1] then
        call('zrem', behind, first[1])
        call('zrem', ns .. 'parked:' .. lane, first[1])
        call('zadd', ns .. 'ready:' .. lane, first[2], first[1])
        call('zadd', ns .. 'open', match(lane, '[^:]*$'), lane)
      end
      if call('exists', behind) == 0 then call('srem', ns .. 'lines:' .. line, lane) end
    end
  end

  local function commit()
    local texts, gone, zadd, zrem, hset, hdel, sadd = {}, {}, {}, {}, {}, {}, {}
    local running, busy, lines = {}, {}, {}

    local function unplace(row)
      if row.state == 'r' then
        running[row.lane] = (running[row.lane] or 0) - 1
        if row.ckey ~= '' then busy[row.line] = (busy[row.line] or 0) - 1 end
      else
        into(zrem, places[row.state] .. row.lane, row.state == 'p' and row.member or row.id)
        if row.state == 'p' and row.ckey ~= '' then
          into(zrem, 'parked:' .. row.lane, row.member)
          into(zrem, 'behind:' .. row.lane .. ':' .. row.ckey, row.member)
        end
      end
    end

    local function place(row)
      if row.state == 'r' then
        running[row.lane] = (running[row.lane] or 0) + 1
        if row.ckey ~= '' then busy[row.line] = (busy[row.line] or 0) + 1 end
      elseif row.state == 'p' then
        into(zadd, 'ready:' .. row.lane, row.runAt, row.member)
        into(zadd, 'open', match(row.lane, '[^:]*$'), row.lane)
      else
        into(zadd, places[row.state] .. row.lane, '0', row.id)
      end
    end

    -- A field that has an index of its own: the entry of the old row goes, that of the new one comes.
    local function reindex(old, new, oldKey, newKey, oldScore, newScore, member)
      if oldKey == newKey and oldScore == newScore then return end
      if oldKey and oldKey ~= newKey then into(zrem, oldKey, member) end
      if newKey then into(zadd, newKey, newScore, member) end
    end

    for _, id in ipairs(touched) do
      local old, new = was[id], rows[id]
      if old ~= new then
        local member = (new or old).seq .. id
        if old and new and old.state == new.state and old.lane == new.lane and old.runAt == new.runAt and old.ckey == new.ckey then
          -- It stays where it is.
        else
          if old then unplace(old) end
          if new then place(new) end
        end
        reindex(old, new, old and old.forgetAt ~= '' and 'forget' or nil, new and new.forgetAt ~= '' and 'forget' or nil,
          old and old.forgetAt, new and new.forgetAt, member)
        reindex(old, new, old and old.ukey ~= '' and 'key:' .. old.ukey or nil, new and new.ukey ~= '' and 'key:' .. new.ukey or nil, '0', '0', id)
        reindex(old, new, old and old.parent ~= '' and 'parent:' .. old.parent or nil,
          new and new.parent ~= '' and 'parent:' .. new.parent or nil, '0', '0', id)
        if new then
          if not old then into(zadd, 'ids', '0', id) end
          if not old or old.text ~= new.text then
            texts[#texts + 1] = ns .. 'job:' .. id
            texts[#texts + 1] = new.text
          end
          if new.held and not (old and old.held == new.held) then
            into(hset, 'held', id, new.held)
            into(zadd, 'leases', match(new.held, '\\n([^\\n]*)\\n'), id)
          end
        else
          gone[#gone + 1] = ns .. 'job:' .. id
          gone[#gone + 1] = ns .. 'log:' .. id
          into(zrem, 'ids', id)
        end
        if old and old.held and not (new and new.held) then
          into(hdel, 'held', id)
          into(zrem, 'leases', id)
        end
        if old and old.ckey ~= '' then lines[old.line] = old.ckey end
        if new and new.state == 'p' then jobsBell = true end
        if old and old.state == 'r' and (old.ckey ~= '' or settingsOf(old.queue).concurrency) then jobsBell = true end
        if new and new.state == 'r' and new.cancel == '1' then controlBell = true end
      end
    end
    for lane in pairs(named) do into(sadd, 'lanes', lane) end
    for unique, id in pairs(holders) do
      if id ~= holderWas[unique] then
        if id then into(hset, 'unique', unique, id) else into(hdel, 'unique', unique) end
      end
    end

    -- Raises, before anything is written, if one of our keys holds what is not ours.
    for _, lists in ipairs({ zrem, zadd }) do for key in pairs(lists) do call('zcard', ns .. key) end end
    for _, lists in ipairs({ hdel, hset }) do for key in pairs(lists) do call('hlen', ns .. key) end end
    if next(sadd) then call('scard', ns .. 'lanes') end
    if next(running) then call('hlen', ns .. 'running') end
    if next(busy) then call('hlen', ns .. 'busy') end
    for line in pairs(lines) do call('scard', ns .. 'lines:' .. line) end

    many('mset', nil, texts)
    for key, args in pairs(zrem) do many('zrem', ns .. key, args) end
    for key, args in pairs(zadd) do many('zadd', ns .. key, args) end
    for key, args in pairs(hdel) do many('hdel', ns .. key, args) end
    for key, args in pairs(hset) do many('hset', ns .. key, args) end
    for key, args in pairs(sadd) do many('sadd', ns .. key, args) end
    many('unlink', nil, gone)
    for lane, by in pairs(running) do if by ~= 0 then count('running', lane, by) end end
    for line, by in pairs(busy) do if by ~= 0 then count('busy', line, by) end end
    for line, ckey in pairs(lines) do unpark(line, ckey) end
  end

  return {
    parse = parse, load = load, get = get, holder = holder, set = set, write = write, commit = commit,
    begin = function() journal = {} end, undo = undo,
  }
end

local made
local function rowsOf()
  made = made or makeRows()
  return made
end
`
