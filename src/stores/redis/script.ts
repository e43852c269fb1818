import { type Script, script } from '../redis-client/script.ts'
import { claimLua } from './scripts/claim.ts'
import { addLua, appendLua, insertLua } from './scripts/insert.ts'
import { expiredLua, renewLua } from './scripts/leases.ts'
import { listLua } from './scripts/list.ts'
import { configureLua, getLua, infoLua, logLua, logsLua, pruneLua, queuesLua, timeLua } from './scripts/look.ts'
import { presentLua, workersLua } from './scripts/presence.ts'
import { applyLua } from './scripts/settle.ts'

type Name =
  | 'add'
  | 'insert'
  | 'append'
  | 'claim'
  | 'apply'
  | 'renew'
  | 'expired'
  | 'prune'
  | 'get'
  | 'list'
  | 'queues'
  | 'configure'
  | 'log'
  | 'logs'
  | 'present'
  | 'workers'
  | 'time'
  | 'info'

/** Everything that is ever asked of the server about jobs: each runs whole or not at all. */
export const scripts: Readonly<Record<Name, Script>> = {
  add: script('add', addLua),
  insert: script('insert', insertLua),
  append: script('append', appendLua),
  claim: script('claim', claimLua),
  apply: script('apply', applyLua),
  renew: script('renew', renewLua),
  expired: script('expired', expiredLua),
  prune: script('prune', pruneLua),
  get: script('get', getLua),
  list: script('list', listLua),
  queues: script('queues', queuesLua),
  configure: script('configure', configureLua),
  log: script('log', logLua),
  logs: script('logs', logsLua),
  present: script('present', presentLua),
  workers: script('workers', workersLua),
  time: script('time', timeLua),
  info: script('info', infoLua),
}
