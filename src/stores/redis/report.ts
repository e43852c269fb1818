import type { Finding } from '../../store.ts'
import { type Info, info, versionOf } from './info.ts'
import type { Link } from '../redis-client/link.ts'
import { currentVersion, layoutVersion } from './migrate.ts'
import type { RedisSettings } from './options.ts'
import { toFields, toList, toText } from './row.ts'

/** What is in force on the server, and what it means for jobs. */
export async function report(link: Link, settings: RedisSettings): Promise<readonly Finding[]> {
  const server = await info(link, 'server')
  const [persistence, replication, memory] = [
    await info(link, 'persistence'),
    await info(link, 'replication'),
    await info(link, 'memory'),
  ]
  return [
    {
      name: 'server',
      level: 'ok',
      message: `${versionOf(server).name}, ${link.wire.cluster ? 'a cluster' : 'one server'}`,
    },
    await layout(link),
    await durability(link, persistence),
    replicas(replication, settings),
    eviction(memory),
    room(memory),
  ]
}

async function layout(link: Link): Promise<Finding> {
  const version = await currentVersion(link)
  if (version === layoutVersion)
    return { name: 'layout', level: 'ok', message: `version ${version} in the namespace ${link.namespace}` }
  if (version === 0)
    return { name: 'layout', level: 'warn', message: `nothing of jobferry in the namespace ${link.namespace} yet` }
  return {
    name: 'layout',
    level: 'fail',
    message: `version ${version}, but this jobferry knows ${layoutVersion}. ${version > layoutVersion ? 'Update jobferry' : 'Work it off with the older jobferry first'}`,
  }
}

async function durability(link: Link, persistence: Info): Promise<Finding> {
  const name = 'durability'
  if (persistence.get('aof_enabled') === '1') {
    if (persistence.get('aof_last_write_status') === 'err')
      return {
        name,
        level: 'fail',
        message: 'the append-only file cannot be written: nothing that was added lately is on disk',
      }
    const sync = await setting(link, 'appendfsync')
    switch (sync ?? 'unknown') {
      case 'always':
        return { name, level: 'ok', message: 'appendfsync always: a job is on disk when its enqueue returns' }
      case 'everysec':
        return {
          name,
          level: 'warn',
          message:
            'appendfsync everysec: safe from a dying server, but a power cut may lose the jobs of the last second or two',
        }
      case 'no':
        return {
          name,
          level: 'warn',
          message:
            'appendfsync no: safe from a dying server, but a power cut may lose the jobs of the last half minute',
        }
      default:
        return {
          name,
          level: 'warn',
          message: 'an append-only file; how often it is synced is not known, as CONFIG is not permitted',
        }
    }
  }
  const save = await setting(link, 'save')
  if (save === '')
    return {
      name,
      level: 'fail',
      message: 'no append-only file and no snapshots: all jobs are gone when the server restarts. Set appendonly yes',
    }
  return {
    name,
    level: 'fail',
    message: `no append-only file: a restart loses every job since the last snapshot${save === undefined ? '' : ` (save ${save})`}. Set appendonly yes`,
  }
}

function replicas(replication: Info, { confirm }: RedisSettings): Finding {
  const name = 'replicas'
  const count = Number(replication.get('connected_slaves') ?? 0)
  const waits =
    confirm === undefined
      ? 'an enqueue does not wait for them, so a failover may lose the latest jobs'
      : `an enqueue waits for ${confirm.replicas}${confirm.disk ? ', and for the disk' : ''}`
  if (replication.get('role') === 'slave')
    return { name, level: 'fail', message: 'this server is itself a replica: it takes no jobs' }
  if (confirm !== undefined && confirm.replicas > count)
    return {
      name,
      level: 'fail',
      message: `${count} connected, but an enqueue waits for ${confirm.replicas}: each will fail`,
    }
  if (count === 0) return { name, level: 'ok', message: 'none: what this server loses is lost' }
  return {
    name,
    level: confirm === undefined || confirm.replicas === 0 ? 'warn' : 'ok',
    message: `${count} connected; ${waits}`,
  }
}

function eviction(memory: Info): Finding {
  const policy = memory.get('maxmemory_policy') ?? 'unknown'
  if (policy === 'noeviction') return { name: 'eviction', level: 'ok', message: 'noeviction' }
  const limit = memory.get('maxmemory') === '0' ? ', though there is no maxmemory at present' : ''
  return {
    name: 'eviction',
    level: limit === '' ? 'fail' : 'warn',
    message: `maxmemory-policy ${policy}: a full server throws jobs away${limit}. Set maxmemory-policy noeviction`,
  }
}

function room(memory: Info): Finding {
  const [used, most] = [Number(memory.get('used_memory') ?? 0), Number(memory.get('maxmemory') ?? 0)]
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1_048_576)} MiB`
  if (most === 0) return { name: 'memory', level: 'ok', message: `${mebibytes(used)} used, no maxmemory` }
  const share = Math.round((used / most) * 100)
  return {
    name: 'memory',
    level: share >= 100 ? 'fail' : share >= 80 ? 'warn' : 'ok',
    message: `${mebibytes(used)} of ${mebibytes(most)} used (${share} %)${share >= 100 ? ': enqueues are refused until workers have made room' : ''}`,
  }
}

/** What the server is configured to; `undefined` where that may not be asked, as on many managed servers. */
async function setting(link: Link, name: string): Promise<string | undefined> {
  try {
    const answer = await link.command('CONFIG', ['GET', name]) // a list, or in a newer protocol a map
    const value = Array.isArray(answer) ? toList(answer)[1] : toFields(answer).get(name)
    return value === undefined ? undefined : toText(value)
  } catch {
    return undefined // not permitted: said as such
  }
}
