// Writes docs/reference/capabilities.md from the stores themselves. With --check, only says whether it is up to date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { capabilities, type Capability } from '../src/core/capability.ts'
import { MemoryStore } from '../src/stores/memory/index.ts'
import { PostgresStore } from '../src/stores/postgres/index.ts'
import { capabilitiesOf } from '../src/stores/que/format.ts'
import { redisCapabilities } from '../src/stores/redis/capabilities.ts'
import { SqliteStore } from '../src/stores/sqlite/index.ts'

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

const folder = mkdtempSync(join(tmpdir(), 'jobferry-'))
const opened = [new SqliteStore({ file: join(folder, 'jobs.db') }), new MemoryStore()]
const [sqlite, memory] = opened
const postgres = await PostgresStore.open('postgres://nowhere/jobs') // connects with its first call, and there is none
const stores = [sqlite, postgres, { name: 'redis', capabilities: redisCapabilities }, memory].filter(
  (store) => store !== undefined,
)

/** That of Que is known without a database to open. */
const columns = [...stores, { name: 'que', capabilities: capabilitiesOf(true) }]

const rows = capabilities.map((capability) => {
  const cells = columns.map((store) => (store.capabilities.has(capability) ? 'yes' : 'no'))
  return `| \`${capability}\` | ${meanings[capability]} | ${cells.join(' | ')} |`
})
for (const store of opened) store.close()
rmSync(folder, { recursive: true })

const page = `# What stores can do

Made from the stores themselves by \`npm run docs\`. What a store cannot do is refused, when asked for, with an UnsupportedError before any
I/O; nothing is imitated. Que has \`listen\` from its schema version 4 on.

| capability | | ${columns.map((store) => store.name).join(' | ')} |
| --- | --- | ${columns.map(() => '---').join(' | ')} |
${rows.join('\n')}
`

const file = join(import.meta.dirname, '../docs/reference/capabilities.md')
if (!process.argv.includes('--check')) writeFileSync(file, page)
else if (readFileSync(file, 'utf8') !== page) {
  console.error('docs/reference/capabilities.md is out of date: npm run docs')
  process.exitCode = 1
}
