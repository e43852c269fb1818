// Writes docs/reference/capabilities.md from the stores themselves. With --check, only says whether it is up to date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { capabilities, type Capability } from '../src/core/capability.ts'
import { capabilities as backlite } from '../src/stores/backlite/rules.ts'
import { liteqCapabilities as liteq } from '../src/stores/liteq/format.ts'
import { MemoryStore } from '../src/stores/memory/index.ts'
import { PostgresStore } from '../src/stores/postgres/index.ts'
import { capabilitiesOf } from '../src/stores/que/format.ts'
import { redisCapabilities as redis } from '../src/stores/redis/capabilities.ts'
import { redisWorkQueueCapabilities } from '../src/stores/redis-work-queue/capabilities.ts'
import { SqliteStore } from '../src/stores/sqlite/index.ts'
import { sqlqCapabilities as sqlq } from '../src/stores/sqlq/format.ts'

const meanings: Readonly<Record<Capability, string>> = {
  schedule: 'jobs that run later',
  priority: 'lower numbers first',
  dedupe: 'unique keys',
  concurrency: 'one at a time per concurrency key',
  retain: 'finished jobs are kept',
  cancel: 'running jobs are told to stop',
  inspect: 'list and filter',
  pause: 'pause and resume queues',
  limits: "a queue's own concurrency and priority",
  policy: "a job's own attempts, backoff, timeout and retention",
  logs: 'lines per job',
  transaction: "enqueue and complete in the caller's transaction",
  connection: "run in a transaction of the store's own making",
  pipeline: "enqueue by the caller's own pipeline or MULTI",
  listen: 'told at once of what is new',
  workers: 'which workers are alive, and what they run',
}

type Columns = Readonly<Record<string, ReadonlySet<Capability>>>

const folder = mkdtempSync(join(tmpdir(), 'jobferry-'))
const [file, memory] = [new SqliteStore({ file: join(folder, 'jobs.db') }), new MemoryStore()]
const server = await PostgresStore.open('postgres://nowhere/jobs') // connects with its first call, and there is none
const three: Columns = { sqlite: file.capabilities, postgres: server.capabilities, redis }
const own: Columns = { ...three, memory: memory.capabilities }
const guests: Columns = {
  que: capabilitiesOf(true),
  sqlq,
  liteq,
  backlite,
  'redis-work-queue': redisWorkQueueCapabilities,
}
file.close()
rmSync(folder, { recursive: true })

function table(columns: Columns, wanted: (capability: Capability) => boolean = () => true): string {
  const sets = Object.values(columns)
  const rows = capabilities.filter(wanted).map((capability) => {
    const cells = sets.map((set) => (set.has(capability) ? 'yes' : 'no'))
    return `| \`${capability}\` | ${meanings[capability]} | ${cells.join(' | ')} |`
  })
  return [
    `| capability | | ${Object.keys(columns).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(sets.length)}`,
    ...rows,
  ].join('\n')
}

function differs(capability: Capability): boolean {
  return new Set(Object.values(three).map((set) => set.has(capability))).size > 1
}

/** What no capability says. */
const besides: readonly (readonly [what: string, sqlite: string, postgres: string, redis: string])[] = [
  ['needs', 'nothing', '`pg`, a server', '`ioredis` or `redis`, a server or a cluster'],
  [
    'an enqueue that returned',
    'is on disk (`synchronous=FULL`)',
    'is on disk (`synchronous_commit`)',
    'is as safe as `appendfsync` and replication make it; `confirm` waits for more',
  ],
  [
    'what a power cut may undo by default',
    'the last claims and ends: their jobs run again',
    'the same',
    'with `appendfsync everysec` the last second of everything',
  ],
  [
    'effects exactly once',
    'by `job.complete(result, { tx })`',
    'by that, or `job.transaction`',
    'no: make them idempotent, by `job.id`',
  ],
  ['hears of new jobs by', 'the file: its WAL is watched', '`NOTIFY`', 'pub/sub'],
  ['goes by the clock of', 'the machine', 'the server', 'the server'],
  ['workers on other machines', 'no: a local disk', 'yes', 'yes'],
  [
    'more than one',
    'several files behind one object',
    'several databases',
    'several namespaces, one in a hash slot of a cluster each',
  ],
]

const page = `# What stores can do

Made from the stores themselves by \`npm run docs\`, and held to by the contract's tests: a store names exactly what it can do. What it cannot do
is refused, when asked for, with an UnsupportedError before any I/O; nothing is imitated.

## Stores of jobferry's own

${table(own)}

## SQLite, PostgreSQL and Redis: what differs

${table(three, differs)}

All else above is the same on the three. What no capability says:

| | sqlite | postgres | redis |
| --- | --- | --- | --- |
${besides.map((row) => `| ${row.join(' | ')} |`).join('\n')}

## Guests: the formats of other queues

${table(guests)}

Que has \`listen\` from its schema version 4 on. Of \`policy\`, sqlq has a job's own attempts and one retention whatever its end; it refuses a
backoff or timeout of a job's own.
`

const path = join(import.meta.dirname, '../docs/reference/capabilities.md')
if (!process.argv.includes('--check')) writeFileSync(path, page)
else if (readFileSync(path, 'utf8') !== page) {
  console.error('docs/reference/capabilities.md is out of date: npm run docs')
  process.exitCode = 1
}
