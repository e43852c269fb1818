// A runner that starts a server, tells its number, and never stops it: `killed-runner.test.ts` kills it.
import { childrenOf } from './running.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'

const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
process.send?.([postgres.pid, ...childrenOf(postgres.pid), redis.pid])
setInterval(() => {}, 60_000)
