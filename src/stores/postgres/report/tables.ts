import type { Finding } from '../../../store.ts'
import { functions } from '../functions/index.ts'
import { noTables, schemaVersion, strangeness } from '../migrate.ts'
import type { PostgresSettings } from '../options.ts'
import { migrations } from '../schema.ts'
import type { Ask } from './ask.ts'

/** So many dead rows, and more than there are others, say that vacuum does not keep up. */
const manyDead = 50_000

/** What is in the schema, and how it is kept clean. */
export async function tables(ask: Ask, settings: PostgresSettings): Promise<readonly Finding[]> {
  const { schema } = settings
  const parts = await ask(partsOf(schema))
  const there = new Set(parts.map(([kind, name]) => `${kind} ${name}`))
  if (!there.has('table meta'))
    return [{ name: 'schema', level: 'fail', message: `${noTables(schema)}. Run jobferry migrate` }]
  const version = await installed(ask, schema)
  const missing = expected().filter((part) => !there.has(part))
  if (missing.includes('table job') || missing.includes('table tally')) return [version, complete(missing)]
  return [version, complete(missing), ...(await cleanliness(ask, schema))]
}

async function installed(ask: Ask, schema: string): Promise<Finding> {
  const rows = await ask('select key, value from @.meta')
  const values = new Map(rows.map(([key, value]) => [key, value]))
  const found = { version: Number(values.get('schema') ?? 0), id: values.get('installation') ?? '' }
  const strange = strangeness(found, schema)
  if (strange !== undefined) return { name: 'schema', level: 'fail', message: strange }
  return { name: 'schema', level: 'ok', message: `"${schema}", version ${schemaVersion}, installation ${found.id}` }
}

function complete(missing: readonly string[]): Finding {
  if (missing.length === 0) return { name: 'parts', level: 'ok', message: 'every table, index and function is there' }
  const message = `missing: ${missing.join(', ')}. Somebody has removed or renamed them, or an index is invalid`
  return { name: 'parts', level: 'fail', message }
}

/** What the migrations make, read from their text. */
function expected(): readonly string[] {
  const made = migrations.join('\n')
  return [
    ...matches(made, /create table @\.(\w+)/g).map((name) => `table ${name}`),
    ...matches(made, /create (?:unique )?index (\w+)/g).map((name) => `index ${name}`),
    ...matches(functions.join('\n'), /create or replace function @\.(\w+)/g).map((name) => `function ${name}`),
  ]
}

function matches(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name)
}

const partsOf = (schema: string): string => `
  select case c.relkind when 'r' then 'table' else 'index' end as kind, c.relname::text as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
  where n.nspname = '${schema}' and (c.relkind = 'r' or c.relkind = 'i' and i.indisvalid)
  union all
  select 'function', p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = '${schema}'`

async function cleanliness(ask: Ask, schema: string): Promise<readonly Finding[]> {
  const rows = await ask(`
    select c.relname::text, coalesce(s.n_live_tup, 0)::text as live, coalesce(s.n_dead_tup, 0)::text as dead,
      pg_table_size(c.oid)::text as size, pg_indexes_size(c.oid)::text as indexes,
      coalesce('autovacuum_enabled=false' = any (c.reloptions), false)::text as off,
      current_setting('autovacuum') as autovacuum, current_setting('track_counts') as counts
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_all_tables s on s.relid = c.oid
    where n.nspname = '${schema}' and c.relname in ('job', 'tally')
    order by 1`)
  const off = rows.filter(([, , , , , its]) => its === 'true').map(([name = '']) => name)
  const [, , , , , , autovacuum, counts] = rows[0] ?? []
  const dirty = rows.some(([, live, dead]) => Number(dead) > manyDead && Number(dead) > Number(live))
  const words = rows.map(
    ([name = '', live, dead, size, indexes]) =>
      `${name} ${count(live)} rows, ${count(dead)} dead, ${mib(size)} and ${mib(indexes)} of indexes`,
  )
  return [
    dirty
      ? {
          name: 'dead rows',
          level: 'warn',
          message: `${words.join('; ')}: vacuum does not keep up, and claims get slower`,
        }
      : { name: 'dead rows', level: 'ok', message: words.join('; ') },
    vacuum(off, autovacuum === 'off' || counts === 'off'),
  ]
}

function vacuum(off: readonly string[], offForAll: boolean): Finding {
  if (offForAll)
    return { name: 'autovacuum', level: 'warn', message: 'off for the whole server: dead rows are never removed' }
  if (off.length === 0) return { name: 'autovacuum', level: 'ok', message: 'on' }
  return { name: 'autovacuum', level: 'warn', message: `off for ${off.join(' and ')}: dead rows are never removed` }
}

function count(text: string | undefined): string {
  return Number(text).toLocaleString('en')
}

function mib(bytes: string | undefined): string {
  return `${(Number(bytes) / 1024 / 1024).toFixed(1)} MiB`
}
