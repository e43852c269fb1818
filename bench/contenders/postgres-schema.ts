import { Client } from 'pg'
import type { Contender } from '../contender.ts'

/** A place on PostgreSQL: a schema of a database. Written as the database's URL with the schema behind `#`. */
export function atSchema(place: string): { readonly url: string; readonly schema: string } {
  const [url = '', schema = ''] = place.split('#')
  return { url, schema }
}

/** A connection whose unqualified names are those of the place's schema. */
export async function connect(place: string): Promise<Client> {
  const { url, schema } = atSchema(place)
  const client = new Client({ connectionString: url, options: `-c search_path=${schema}` })
  await client.connect()
  return client
}

/** Runs `call` on a connection of its own. */
export async function connected<T>(place: string, call: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(place)
  try {
    return await call(client)
  } finally {
    await client.end()
  }
}

/**
 * What all contenders on PostgreSQL share: how to look into the schema, and how to teach the planner. `unfinished` is the condition of those that wait
 * or run.
 */
export function postgresSchema(table: string, unfinished: string): Required<Pick<Contender, 'count' | 'learn'>> {
  return {
    count: (place) =>
      connected(place, async (client) => {
        const { rows } = await client.query<{ stored: number; unfinished: number }>(
          `select count(*)::int as stored, (count(*) filter (where ${unfinished}))::int as unfinished from ${table}`,
        )
        const [row] = rows
        if (row === undefined) throw new Error(`${table} could not be counted`)
        return row
      }),
    learn: analyze,
  }
}

/** Gives the planner statistics of every table of the place as it is now. */
export async function analyze(place: string): Promise<void> {
  await connected(place, async (client) => {
    for (const table of await tables(client)) await client.query(`analyze ${table}`)
  })
}

/** The place's tables, quoted. */
export async function tables(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select oid::regclass::text as name from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'",
  )
  return rows.map(({ name }) => name)
}
