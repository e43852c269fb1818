import { type Script, script } from '../redis-client/script.ts'
import { addLua, addUniqueLua } from './scripts/add.ts'
import { abandonedLua, deepLua, dropLua, lightLua, rowsLua, scanLua } from './scripts/clean.ts'
import { completeLua, exchangeLua, renewLua } from './scripts/exchange.ts'
import { countsLua, getLua, lengthsLua, listLua, timeLua } from './scripts/look.ts'

type Name =
  | 'add'
  | 'addUnique'
  | 'exchange'
  | 'renew'
  | 'complete'
  | 'get'
  | 'list'
  | 'counts'
  | 'lengths'
  | 'time'
  | 'abandoned'
  | 'rows'
  | 'light'
  | 'drop'
  | 'scan'
  | 'deep'

/** Everything that is ever asked of the server: each runs whole or not at all, where other clients take several steps. */
export const scripts: Readonly<Record<Name, Script>> = {
  add: script('redis-work-queue add', addLua),
  addUnique: script('redis-work-queue add unique', addUniqueLua),
  exchange: script('redis-work-queue exchange', exchangeLua),
  renew: script('redis-work-queue renew', renewLua),
  complete: script('redis-work-queue complete', completeLua),
  get: script('redis-work-queue get', getLua),
  list: script('redis-work-queue list', listLua),
  counts: script('redis-work-queue counts', countsLua),
  lengths: script('redis-work-queue lengths', lengthsLua),
  time: script('redis-work-queue time', timeLua),
  abandoned: script('redis-work-queue abandoned', abandonedLua),
  rows: script('redis-work-queue rows', rowsLua),
  light: script('redis-work-queue light clean', lightLua),
  drop: script('redis-work-queue drop', dropLua),
  scan: script('redis-work-queue scan', scanLua),
  deep: script('redis-work-queue deep clean', deepLua),
}
