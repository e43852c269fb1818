import { Pool, type PoolClient } from 'pg'

import type { PgPool } from '../../src/stores/pg/pg.ts'

/** What happens to a statement the first time it is sent: its answer is lost after it was carried out, or it never arrives. */
export type Fault = 'answer lost' | 'request lost'

/**
 * Statements whose doubling would show. Those that only look are spared, as are renewals and what is done in the background: they may be
 * carried out twice.
 */
const changing = /\.(?:add|insertBatches|exchange|log|configure)$/

/**
 * A pool whose connections break at every second statement that changes something.
 * @param fault which it is to be, of each
 */
export function faultyPool(url: string, fault: () => Fault): { readonly pool: PgPool; end(): Promise<void> } {
  const pool = new Pool({ connectionString: url, max: 5 })
  let turn = 0
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: readonly unknown[]) => Promise<unknown>
    const broken = async (...args: readonly unknown[]): Promise<unknown> => {
      const [config] = args as readonly [{ readonly name?: string }]
      if (!changing.test(config.name ?? '') || ++turn % 2 === 0) return await query(...args)
      if (fault() === 'answer lost') await query(...args)
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    }
    Object.assign(client, { query: broken })
  })
  return { pool, end: () => pool.end() }
}
