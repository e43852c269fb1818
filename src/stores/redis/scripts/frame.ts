/**
 * What every script that changes jobs begins with. `KEYS[1]` is the beginning of all keys, and itself a key that nothing is ever kept
 * under; `ARGV[1]` says who calls, `ARGV[2]` is 1 when the call may have been made before, with the answer lost.
 *
 * Little, since Lua makes all of it anew at every call: what only a change of single rows needs is in `rows.ts`, and made when it is needed.
 */
export const frameLua: string = `
local ns, caller, replay = KEYS[1], ARGV[1], ARGV[2] == '1'
local call, sub, match, format = redis.call, string.sub, string.match, string.format
local jobsBell, controlBell = false, false

-- Calls a command with any number of arguments, some at a time: Lua's stack does not hold more. Pairs stay together.
local function many(name, key, args)
  for i = 1, #args, 6000 do
    if key then call(name, key, unpack(args, i, math.min(i + 5999, #args)))
    else call(name, unpack(args, i, math.min(i + 5999, #args))) end
  end
end

-- The answers of a command that gives one for each argument.
local function each(name, key, args)
  local n = #args
  if n > 0 and n <= 6000 then return key and call(name, key, unpack(args)) or call(name, unpack(args)) end
  local all = {}
  for i = 1, n, 6000 do
    local last = math.min(i + 5999, n)
    local some = key and call(name, key, unpack(args, i, last)) or call(name, unpack(args, i, last))
    for j = 1, last - i + 1 do all[i + j - 1] = some[j] end
  end
  return all
end

local function keysOf(kind, ids)
  local keys, beginning = {}, ns .. kind
  for i = 1, #ids do keys[i] = beginning .. ids[i] end
  return keys
end

local function nextRev(rev) return format('%08x', tonumber(rev, 16) + 1) end

local function count(hash, field, by)
  if by ~= 0 and tonumber(call('hincrby', ns .. hash, field, by)) == 0 then call('hdel', ns .. hash, field) end
end

-- What an operator has set of a queue. Mostly nothing is set of any.
local settings, anySet = {}, nil
local function settingsOf(queue)
  local known = settings[queue]
  if known == nil then
    if anySet == nil then anySet = call('hlen', ns .. 'settings') > 0 end
    local text = anySet and call('hget', ns .. 'settings', queue)
    local paused, concurrency, priority = match(text or '0::0', '^(%d):(%d*):(%-?%d+)$')
    known = { paused = paused == '1', concurrency = tonumber(concurrency), priority = tonumber(priority) }
    settings[queue] = known
  end
  return known
end

-- Tells those who listen, but for the caller, whose own store rings by itself. 1 jobs, 2 control, 3 both.
local function ring()
  if jobsBell then call('publish', ns .. 'bell', caller .. ' jobs') end
  if controlBell then call('publish', ns .. 'bell', caller .. ' control') end
  return (jobsBell and 1 or 0) + (controlBell and 2 or 0)
end
`
