import type { Engine } from './engine.ts'
import { sqliteFiles } from './home-sqlite.ts'
import { postgresServer } from './home-postgres.ts'
import { redisServers } from './home-redis.ts'
import { fullPlan, postgresQuickPlan, quickPlan, redisPlan, redisQuickPlan } from './plan.ts'
import { measureBloat, measureLongTransaction, measureStaleStatistics } from './wear.ts'
import { measureStuck, stuckWorks } from './stuck.ts'
import { rateWorks } from './works.ts'

const sqlite: Engine = {
  name: 'sqlite',
  contenders: [
    { name: 'ours', file: 'ours-sqlite', peer: false },
    { name: 'raw', file: 'raw-node-sqlite', peer: false },
    { name: 'raw better-sqlite3', file: 'raw-better-sqlite3', peer: true },
    { name: 'plainjob', file: 'plainjob', peer: true },
    { name: 'liteque', file: 'liteque', peer: true },
  ],
  rateWorks,
  durabilities: ['full', 'relaxed', 'default'],
  steady: 'relaxed',
  ownWorks: [],
  full: fullPlan,
  quick: quickPlan,
  start: sqliteFiles,
}

const postgres: Engine = {
  name: 'postgres',
  contenders: [
    { name: 'ours', file: 'ours-postgres', peer: false },
    { name: 'raw', file: 'raw-postgres', peer: false },
    { name: 'graphile-worker', file: 'graphile-worker-best', peer: true, alwaysFull: true },
    { name: 'pg-boss', file: 'pg-boss-best', peer: true, alwaysFull: true },
    { name: 'graphile-worker-defaults', file: 'graphile-worker-defaults', peer: true, patient: true },
    { name: 'pg-boss-defaults', file: 'pg-boss-defaults', peer: true, patient: true },
  ],
  rateWorks: [...rateWorks, 'process-500'],
  durabilities: ['full', 'default'],
  steady: 'default',
  ownWorks: [
    { works: ['stale-statistics'], share: 2, measure: measureStaleStatistics },
    { works: stuckWorks, share: 3, measure: measureStuck },
    { works: ['short-transactions', 'long-transaction'], share: 3, measure: measureLongTransaction },
    { works: ['bloat'], share: 1, measure: measureBloat },
  ],
  full: { ...fullPlan, contended: true },
  quick: postgresQuickPlan,
  start: postgresServer,
}

const redis: Engine = {
  name: 'redis',
  contenders: [
    { name: 'ours', file: 'ours-redis', peer: false },
    { name: 'raw', file: 'raw-redis', peer: false },
    { name: 'bullmq', file: 'bullmq-best', peer: true },
    { name: 'bee-queue', file: 'bee-queue-best', peer: true },
    { name: 'bullmq-defaults', file: 'bullmq-defaults', peer: true, patient: true },
    { name: 'bee-queue-defaults', file: 'bee-queue-defaults', peer: true, patient: true },
  ],
  rateWorks,
  durabilities: ['full', 'relaxed', 'default'],
  steady: 'default',
  ownWorks: [],
  full: redisPlan,
  quick: redisQuickPlan,
  start: redisServers,
}

export const engines: ReadonlyMap<string, Engine> = new Map(
  [sqlite, postgres, redis].map((engine) => [engine.name, engine]),
)
