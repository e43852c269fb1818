import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { install } from './apt.ts'

/** The programs of Redis, or of Valkey, which has them under names of its own. */
export interface RedisPrograms {
  readonly server: string
  readonly cli: string
}

/**
 * Those in the folder that JOBFERRY_REDIS_BIN names, or else the ones on the path, which are installed if there are none.
 * @throws Error if JOBFERRY_REDIS_BIN names a folder without them, or if they cannot be installed
 */
export async function redisPrograms(): Promise<RedisPrograms> {
  const folder = process.env['JOBFERRY_REDIS_BIN']
  if (folder === undefined) {
    if (!onPath('redis-server')) await install('redis-server')
    return { server: 'redis-server', cli: 'redis-cli' }
  }
  for (const name of ['redis', 'valkey'])
    if (existsSync(join(folder, `${name}-server`)))
      return { server: join(folder, `${name}-server`), cli: join(folder, `${name}-cli`) }
  throw new Error(`Expected JOBFERRY_REDIS_BIN to name a folder with redis-server or valkey-server, got ${folder}`)
}

function onPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)))
}
