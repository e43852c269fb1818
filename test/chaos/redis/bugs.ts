import type { SqlBugs } from '../bugs.ts'

/** In Lua, as the scripts have it. Some cannot be made by a word: counters are the sizes of sets here, and the guard stands in two forms. */
export const inLua: SqlBugs = {
  'unguarded write': [],
  'early rescue': [["'-inf', ARGV[3], 'limit'", "'-inf', ARGV[3] + 800, 'limit'"]],
  'busy key ignored': [["busy[line] = call('hexists', ns .. 'busy', line) == 1", 'busy[line] = false']],
  'attempt not counted': [],
  'lost count': [],
}
