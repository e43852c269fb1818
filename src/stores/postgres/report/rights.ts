import type { Finding } from '../../../store.ts'
import type { PostgresSettings } from '../options.ts'
import type { Ask } from './ask.ts'

/** What a worker does with each table; a viewer only selects. As docs/operate/postgres.md grants it. */
const workersRights: Readonly<Record<string, readonly string[]>> = {
  meta: ['select'],
  queue: ['select', 'insert', 'update'],
  lane: ['select', 'insert'],
  tally: ['select', 'insert'],
  job: ['select', 'insert', 'update', 'delete'],
  log: ['select', 'insert', 'delete'],
  worker: ['select', 'insert', 'update', 'delete'],
}

/** What the role of this connection may do, and whether that goes as far as reading the tables. */
export async function rights(
  ask: Ask,
  { schema }: PostgresSettings,
): Promise<{ readonly reads: boolean; readonly findings: readonly Finding[] }> {
  const [role = '', usage = ''] = (await ask(usageOf(schema)))[0] ?? []
  if (usage === '') return { reads: true, findings: [] } // no such schema: that is said of the tables
  if (usage === 'false')
    return {
      reads: false,
      findings: [{ name: 'rights', level: 'fail', message: `${role} may not use schema "${schema}": ${remedy}` }],
    }
  const all = await ask(rightsOf(schema))
  if (all.length === 0) return { reads: true, findings: [] }
  const had = all.filter(([, , has]) => has === 'true').map(([table = '', right = '']) => `${right} on ${table}`)
  const lacks = all.filter(([, , has]) => has === 'false').map(([table = '', right = '']) => `${right} on ${table}`)
  const [enqueues] = (await ask(enqueueOf(schema)))[0] ?? []
  return { reads: had.includes('select on meta'), findings: [said(role, had, lacks, enqueues === 'true')] }
}

/** A role that may do a part of what a worker does is a worker that will fail; one that may do nothing but look is a viewer. */
function said(role: string, had: readonly string[], lacks: readonly string[], enqueues: boolean): Finding {
  const sql = enqueues ? 'may enqueue from SQL' : 'may not enqueue from SQL'
  if (lacks.length === 0) return { name: 'rights', level: 'ok', message: `${role} may work; it ${sql}` }
  const looks = !lacks.some((right) => right.startsWith('select'))
  const onlyLooks = looks && had.every((right) => right.startsWith('select'))
  if (onlyLooks) return { name: 'rights', level: 'ok', message: `${role} may look, and change nothing; it ${sql}` }
  if (had.length === 0 && enqueues) return { name: 'rights', level: 'ok', message: `${role} ${sql}, and nothing else` }
  return { name: 'rights', level: 'fail', message: `${role} may not work: it lacks ${lacks.join(', ')}; ${remedy}` }
}

const remedy = 'see docs/operate/postgres.md for what to grant'

const usageOf = (schema: string): string => `
  select current_user::text,
    (select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = '${schema}')::text as usage`

const rightsOf = (schema: string): string => `
  select r.name, r.what, has_table_privilege(c.oid, r.what)::text as has
  from (values ${Object.entries(workersRights)
    .flatMap(([table, all]) => all.map((right) => `('${table}', '${right}')`))
    .join(', ')}) as r (name, what)
    join pg_class c on c.relname = r.name join pg_namespace n on n.oid = c.relnamespace and n.nspname = '${schema}'`

const enqueueOf = (schema: string): string => `
  select coalesce(bool_or(has_function_privilege(p.oid, 'execute')), false)::text
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname = '${schema}' and p.proname = 'enqueue'`
