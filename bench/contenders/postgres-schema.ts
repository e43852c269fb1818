import pg from 'pg'
import type { Contender } from '../contender.ts'

/** A place on PostgreSQL: a schema of a database. Written as the database's URL with the schema behind `#`. */
export function atSchema(place: string): { readonly url: string; readonly schema: string } {
  const [url = '', schema = ''] = place.split('#')
  return { url, schema }
}

/** A connection whose unqualified names are those of the place's schema. */
export async function connect(place: string): Promise<pg.Client> {
  const { url, schema } = atSchema(place)
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` })
  await client.connect()
  return client
}

/** Runs `call` on a connection of its own. */
export async function connected<T>(place: string, call: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(place)
  try {
    return await call(client)
  } finally {
    await client.end()
  }
}

/**
 * What all contenders on PostgreSQL share: how to look into the schema, and how to age it. `unfinished` is the condition of those that wait
 * or run.
 */
export function postgresSchema(table: string, unfinished: string): Required<Pick<Contender, 'count' | 'ripen'>> {
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
    /**
     * Gives the planner the statistics that autovacuum gathers within its minute: a short round ends before it comes, and a plan made for an
     * empty table is another work (`stale-statistics`).
     */
    ripen: (place) => connected(place, async (client) => void (await client.query(`analyze ${table}`))),
  }
}
