import type { Finding } from '../../store.ts'
import type { Link } from '../redis-client/link.ts'
import type { Items } from './items.ts'
import type { RedisWorkQueueSettings } from './options.ts'
import { info } from './server.ts'

/** Which queue this is, and what on its server is a danger to it. */
export async function report(
  link: Link,
  items: Items,
  { prefix, task }: RedisWorkQueueSettings,
): Promise<readonly Finding[]> {
  const server = await info(link, 'server')
  const name = server.has('valkey_version') ? 'Valkey' : 'Redis'
  const version = server.get('valkey_version') ?? server.get('redis_version')
  const { waiting, held } = await items.counts()
  const lost = held.filter(({ lease }) => lease === '').length
  const old = Number(await link.command('EXISTS', [`${prefix}:cleaning`]))
  const findings: Finding[] = [
    { name: 'server', level: 'ok', message: `${name} ${version}, ${link.wire.cluster ? 'a cluster' : 'one server'}` },
    {
      name: 'queue',
      level: 'ok',
      message: `the prefix ${prefix} has the jobs of the task ${task}: ${waiting} wait, ${held.length - lost} are leased`,
    },
    {
      name: 'abandoned',
      level: lost === 0 ? 'ok' : 'warn',
      message:
        lost === 0 ? 'none' : `${lost} jobs have lost their worker, and wait to be put back by somebody's cleaner`,
    },
    await eviction(link),
    await durability(link),
  ]
  if (old > 0)
    findings.push({
      name: 'protocol',
      level: 'fail',
      message: `there is a list ${prefix}:cleaning: a client of version 0.2 or older works here, whose leases nobody else sees. Update it`,
    })
  return findings
}

async function eviction(link: Link): Promise<Finding> {
  const name = 'eviction'
  const policy = (await info(link, 'memory')).get('maxmemory_policy') ?? 'unknown'
  if (policy === 'noeviction')
    return { name, level: 'ok', message: 'maxmemory-policy noeviction: nothing is thrown away' }
  const message = policy.startsWith('volatile')
    ? `maxmemory-policy ${policy}: a full server throws leases away, so that jobs run twice at a time`
    : `maxmemory-policy ${policy}: a full server may throw jobs away`
  return { name, level: policy === 'unknown' ? 'warn' : 'fail', message: `${message}. Set it to noeviction` }
}

async function durability(link: Link): Promise<Finding> {
  const name = 'durability'
  const persistence = await info(link, 'persistence')
  return persistence.get('aof_enabled') === '1'
    ? { name, level: 'ok', message: 'there is an append-only file' }
    : {
        name,
        level: 'warn',
        message: 'no append-only file: jobs of the last minutes, or all, are gone with a crash of the server',
      }
}
