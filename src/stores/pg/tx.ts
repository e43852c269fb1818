import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'
import type { Query } from './query.ts'

/**
 * Makes of a caller's transaction, whichever client it is of, the one function that the store needs: it runs a statement in it.
 *
 * Known are a `Client` or `PoolClient` of `pg`, the `sql` of a transaction or a reserved connection of `postgres`, the transactions of
 * Drizzle, Kysely, Knex and Prisma, and anything else with `query(text, values)` that comes to `{ rows }`. They are told by what they can
 * do: no driver is loaded. Nothing is sent yet.
 * @throws UsageError when it is none of them, or not a transaction but what transactions are begun with: statements given to a pool go to
 * any of its connections. Also when the driver knows that no transaction is open.
 */
export function toQuery(tx: unknown): Query {
  const send = senderOf(tx)
  return async (text, values) => rowsOf(await send(text, values)).map(toTexts)
}

/** Answers what the client answers. */
type Send = (text: string, values: readonly (string | null)[]) => unknown

/** From the most telling to the least: Drizzle and Knex have a `query` too, which is another thing. */
function senderOf(tx: unknown): Send {
  if (can(tx, '$queryRawUnsafe')) return prisma(tx)
  if (can(tx, 'executeQuery') && can(tx, 'withoutPlugins')) return kysely(tx)
  if (isPostgresJs(tx)) return postgresJs(tx)
  if (can(tx, 'raw') && can(tx, 'select')) return knex(tx)
  if (can(tx, 'execute') && hasSession(tx)) return drizzle(tx)
  if (can(tx, 'query') && !isSqlite(tx)) return pg(tx)
  throw new UsageError(
    'Expected `tx` to be a PostgreSQL transaction (of pg, postgres, Drizzle, Kysely, Knex or Prisma, or any object with ' +
      `\`query(text, values)\` that comes to \`{ rows }\`), got ${isSqlite(tx) ? 'a SQLite database' : show(tx)}`,
  )
}

function isSqlite(tx: unknown): boolean {
  return can(tx, 'prepare') && can(tx, 'exec')
}

/** `pg`, and what is like it. */
function pg(tx: Can<'query'>): Send {
  if ('totalCount' in tx)
    throw notYet('a pool', 'its statements go to different connections; give the client of `await pool.connect()`')
  if (can(tx, 'transaction') || can(tx, 'tx') || can(tx, 'createQueryRunner'))
    throw notYet(show(tx), 'it begins them; give one, or an object whose `query(text, values)` runs in it')
  expectOpen(tx)
  return (text, values) => tx.query(text, [...values])
}

interface PostgresJs {
  unsafe(text: string, values: readonly (string | null)[]): { values(): unknown }
}

function isPostgresJs(tx: unknown): tx is PostgresJs {
  return can(tx, 'unsafe') && can(tx, 'typed')
}

/** `values()` gives arrays, past any renaming of columns (`transform`). */
function postgresJs(tx: PostgresJs): Send {
  if ('begin' in tx)
    throw notYet('the `sql` of postgres', 'it is a pool; give the one that `sql.begin()` or `sql.reserve()` hands you')
  return (text, values) => tx.unsafe(text, [...values]).values()
}

/** Without plugins: they rename columns, and read text that looks like JSON. */
function kysely(tx: Can<'executeQuery' | 'withoutPlugins'>): Send {
  if (!('isTransaction' in tx) || tx.isTransaction !== true)
    throw notYet('a Kysely', 'it is over a pool; give the one that `transaction().execute()` hands you')
  const plain = tx.withoutPlugins()
  if (!can(plain, 'executeQuery')) throw new UsageError('Expected `tx.withoutPlugins()` to be a Kysely transaction')
  return (sql, parameters) => plain.executeQuery(compiledQuery(sql, parameters))
}

/** What `CompiledQuery.raw` of Kysely makes. */
function compiledQuery(sql: string, parameters: readonly (string | null)[]): object {
  const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
  return { sql, parameters: [...parameters], query, queryId: { queryId: 'jobferry' } }
}

function knex(tx: Can<'raw'>): Send {
  if (!('isTransaction' in tx) || tx.isTransaction !== true)
    throw notYet('a Knex', 'it is over a pool; give the `trx` that `knex.transaction()` hands you')
  return (text, values) => tx.raw(...questioned(text, values))
}

/** A statement as Knex wants it: `?` for each parameter, and its values in that order. A `?` that was there, or in quotes, is escaped. */
function questioned(text: string, values: readonly (string | null)[]): readonly [string, readonly (string | null)[]] {
  const bindings: (string | null)[] = []
  const sql = text.replaceAll(/'[^']*'|"[^"]*"|--.*|\$(\d+)|\?/g, (piece, digits: string | undefined) => {
    if (digits === undefined) return piece.replaceAll('?', String.raw`\?`)
    bindings.push(values[Number(digits) - 1] ?? null)
    return '?'
  })
  return [sql, bindings]
}

interface WithSession {
  readonly session: object
}

function hasSession(tx: object): tx is WithSession {
  return 'session' in tx && typeof tx.session === 'object' && tx.session !== null
}

/** `execute` takes whatever can turn itself into a query. Over every driver of Drizzle's, it comes to what the driver answers. */
function drizzle(tx: Can<'execute'> & WithSession): Send {
  if (!can(tx, 'rollback'))
    throw notYet('a Drizzle database', 'it is over a pool; give the `tx` that `db.transaction()` hands you')
  if ('client' in tx.session) expectOpen(tx.session.client)
  return async (sql, values) => {
    const query = { getSQL: () => query, toQuery: () => ({ sql, params: [...values] }) }
    try {
      return await tx.execute(query)
    } catch (error) {
      throw isDrizzleQueryError(error) ? error.cause : error
    }
  }
}

/** Drizzle's wrapping of what the driver threw: it repeats the statement with all its parameters. */
function isDrizzleQueryError(error: unknown): error is Error {
  return error instanceof Error && 'query' in error && 'params' in error && error.cause instanceof Error
}

function prisma(tx: Can<'$queryRawUnsafe'>): Send {
  if ('$connect' in tx && tx.$connect !== undefined)
    throw notYet('a Prisma client', 'it is over a pool; give the `tx` that `$transaction(async (tx) => …)` hands you')
  return (text, values) => tx.$queryRawUnsafe(text, ...values)
}

/** Newer versions of pg know from the server's last answer whether a transaction is open: `I` is idle. */
function expectOpen(client: unknown): void {
  if (can(client, 'getTransactionStatus') && client.getTransactionStatus() === 'I')
    throw new UsageError(
      'Expected `tx` to be in an open transaction; begin one first and await that, or leave `tx` out. If it was open, it has ended ' +
        'in the meantime: await whatever belongs to it',
    )
}

/** A list of rows, or an object that has one. */
function rowsOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  if (typeof answer === 'object' && answer !== null && 'rows' in answer && Array.isArray(answer.rows))
    return answer.rows
  throw new UsageError(`Expected \`tx\` to answer a statement with rows, got ${show(answer)}`)
}

/** A row is a list of values or an object whose keys stand in the order of the columns. */
function toTexts(row: unknown): readonly (string | null)[] {
  const values: readonly unknown[] = Array.isArray(row) ? row : Object.values(row ?? {})
  return values.map(toText)
}

function toText(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return null
  throw new UsageError(
    `Expected \`tx\` to give text as it is, got ${show(value)}; a type parser of its must be changing it`,
  )
}

/** Something with these methods. */
type Can<Name extends string> = Readonly<Record<Name, (...values: readonly unknown[]) => unknown>>

function can<Name extends string>(value: unknown, name: Name): value is Can<Name> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof Reflect.get(value, name) === 'function'
}

function notYet(found: string, advice: string): UsageError {
  return new UsageError(`Expected \`tx\` to be a transaction, got ${found}: ${advice}`)
}
