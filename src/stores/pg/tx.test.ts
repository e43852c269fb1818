import knex from 'knex'
import { types } from 'pg'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'

import { type Client, clients } from '../../../test/postgres/clients.ts'
import { connect, newSchema } from '../../../test/servers/kit.ts'
import { UsageError } from '../../core/errors.ts'
import { toQuery } from './tx.ts'

const hard: readonly (string | null)[] = [
  '',
  null,
  `it's "quoted"`,
  String.raw`C:\new\u0041 \\ \? \x00`,
  'a ? b ?? c $1 $2 :name ::text -- no comment /* nor here */',
  '{"json": [1, null, "2026-01-01T00:00:00Z"]}',
  '{array,"of text"}',
  'true',
  '0017',
  '9007199254740993',
  '2026-01-01 12:00:00+02',
  'null',
  '\t first line\n\n second\r\n \u2028 \u00a0 ',
  '🚢 Ḟ 你好 e\u0301',
  'ä'.repeat(100_000),
]

describe.for(Object.entries(clients))('a transaction of %s', ([name, connectTo]) => {
  async function arrange(): Promise<{ client: Client; table: string; stored: () => Promise<unknown[]> }> {
    const { url, schema } = await newSchema()
    const client = connectTo(url)
    onTestFinished(async () => void (await client.close()))
    const outside = await connect(url)
    const table = `${schema}.note`
    await outside.query(`create table ${table} (id integer primary key, body text)`)
    return {
      client,
      table,
      stored: async () => (await outside.query(`select id, body from ${table} order by id`)).rows,
    }
  }

  it('gives back text as it was given', async () => {
    const { client } = await arrange()
    const columns = hard.map((_, i) => `$${i + 1}::text as col_${i}`)
    const rows = await client.transaction((tx) => toQuery(tx)(`select ${columns.join(', ')}`, hard))
    expect(rows).toEqual([hard])
  })

  it('gives values in the order selected, whatever the order of parameters and how often they are used', async () => {
    const { client } = await arrange()
    const text = `
      -- $9 is none, nor is ?
      select $2::text as zz_b, 'what? $1 it''s ?' as literal, $1::text as aa_b, $3::text as "odd ? name", $2::text as "aaB", n::text as n
      from generate_series(1, $4::text::int) n`
    const rows = await client.transaction((tx) => toQuery(tx)(text, ['one', 'two', null, '3']))
    expect(rows).toEqual(['1', '2', '3'].map((n) => ['two', "what? $1 it's ?", 'one', null, 'two', n]))
  })

  it('takes statements without parameters and without answers', async () => {
    const { client, table } = await arrange()
    await client.transaction(async (tx) => {
      const query = toQuery(tx)
      expect(await query(`insert into ${table} values (1, 'a')`, [])).toEqual([])
      expect(await query(`select body from ${table} where id = ($1::text)::int`, ['2'])).toEqual([])
      expect(await query(`select body from ${table}`, [])).toEqual([['a']])
    })
  })

  it('runs statements in it: there after its commit', async () => {
    const { client, table, stored } = await arrange()
    await client.transaction(async (tx) => {
      const query = toQuery(tx)
      const insert = `insert into ${table} (id, body) values (($1::text)::int, $2::text) returning id::text`
      expect(await query(insert, ['1', 'first'])).toEqual([['1']])
      expect(await query(insert, ['2', null])).toEqual([['2']])
      expect(await query(`select count(*)::text as n from ${table}`, [])).toEqual([['2']])
      expect(await stored()).toEqual([])
    })
    expect(await stored()).toEqual([
      { id: 1, body: 'first' },
      { id: 2, body: null },
    ])
  })

  it('runs statements in it: gone after its rollback', async () => {
    const { client, table, stored } = await arrange()
    const change = client.transaction(async (tx) => {
      expect(await toQuery(tx)(`insert into ${table} values (1, $1::text) returning body`, ['a'])).toEqual([['a']])
      throw new Error('no')
    })
    await expect(change).rejects.toThrow('no')
    expect(await stored()).toEqual([])
  })

  it('lets an error of the driver out as it is', async () => {
    const { client } = await arrange()
    const errors: unknown[] = []
    const change = client.transaction(async (tx) => {
      await toQuery(tx)('select (1 / ($1::text)::int)::text as n', ['0']).catch((error: unknown) => errors.push(error))
      throw errors[0]
    })
    await expect(change).rejects.toThrow('division by zero')
    expect(errors).toMatchObject([
      name === 'Prisma'
        ? { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode: '22012' } } } }
        : { code: '22012', severity: 'ERROR' },
    ])
  })

  it('is not what it is begun with: that is refused, and the right thing named', async () => {
    const { client } = await arrange()
    expect(() => toQuery(client.pool)).toThrow(UsageError)
    expect(() => toQuery(client.pool)).toThrow(
      /^Expected `tx` to be a transaction, got (?:a|the) .+: (?:it is (?:over )?a pool|its statements go to different connections); give the /,
    )
  })
})

describe('a connection', () => {
  it('of pg is taken once its transaction is open, and refused before and after', async () => {
    const client = await connect()
    expect(() => toQuery(client)).toThrow('Expected `tx` to be in an open transaction; begin one first and await that')
    await client.query('begin')
    expect(await toQuery(client)('select $1::text as a', ['a'])).toEqual([['a']])
    await client.query('commit')
    expect(() => toQuery(client)).toThrow(UsageError)
  })

  it('of pg is taken in a failed transaction: the server knows best what to say', async () => {
    const client = await connect()
    await client.query('begin')
    await expect(client.query('select 1 / 0')).rejects.toThrow('division by zero')
    await expect(toQuery(client)('select $1::text as a', ['a'])).rejects.toMatchObject({ code: '25P02' })
  })

  it('that postgres.js has reserved is taken', async () => {
    const { url } = await newSchema()
    const sql = postgres(url)
    onTestFinished(() => sql.end())
    const reserved = await sql.reserve()
    await reserved`begin`
    expect(await toQuery(reserved)('select $1::text as a', ['a'])).toEqual([['a']])
    await reserved`rollback`
    reserved.release()
  })
})

describe('a savepoint', () => {
  it.for(['postgres.js', 'Drizzle over pg', 'Drizzle over postgres.js', 'Knex'] as const)(
    'of %s is a transaction',
    async (name) => {
      const { url } = await newSchema()
      const client = clients[name](url)
      onTestFinished(async () => void (await client.close()))
      await client.transaction(async (tx) => {
        const nest = name === 'postgres.js' ? 'savepoint' : 'transaction'
        await (tx as Record<string, (use: (inner: object) => Promise<void>) => Promise<void>>)[nest]!(async (inner) => {
          expect(await toQuery(inner)('select $1::text as a', ['a'])).toEqual([['a']])
        })
      })
    },
  )
})

describe('what is no transaction of PostgreSQL', () => {
  it.for([
    [undefined, 'undefined'],
    [null, 'null'],
    ['begin', '"begin" (string)'],
    [{}, 'an object (Object)'],
    [Object.create(null), 'an object (null prototype)'],
    [new Map(), 'an object (Map)'],
    [function begin() {}, 'begin (function)'],
    [{ prepare: () => {}, exec: () => {}, query: () => {} }, 'a SQLite database'],
  ] as const)('is refused: %o', ([tx, found]) => {
    expect(() => toQuery(tx)).toThrow(UsageError)
    expect(() => toQuery(tx)).toThrow(`got ${found}`)
  })
})

describe('any other object with `query`', () => {
  it('is taken, with rows as lists or as objects', async () => {
    const query = async (text: string, values: readonly unknown[]): Promise<object> => ({
      rows: [[text, ...values], { text, value: undefined }],
    })
    expect(await toQuery({ query })('select', ['a', null])).toEqual([
      ['select', 'a', null],
      ['select', null],
    ])
  })

  it.for(['transaction', 'tx', 'createQueryRunner'])('is refused if it begins transactions itself, by %s', (name) => {
    class Pglite {
      query = async () => ({ rows: [] })
    }
    expect(() => toQuery(Object.assign(new Pglite(), { [name]: () => {} }))).toThrow(
      'got an object (Pglite): it begins them; give one, or an object whose `query(text, values)` runs in it',
    )
  })

  it('is told what its answers must be', async () => {
    const answering = (answer: unknown) => toQuery({ query: async () => answer })('select', [])
    await expect(answering(undefined)).rejects.toThrow('Expected `tx` to answer a statement with rows, got undefined')
    await expect(answering({ rows: [[5]] })).rejects.toThrow('Expected `tx` to give text as it is, got 5 (number)')
    await expect(answering([[new Date(0)]])).rejects.toThrow(UsageError)
  })
})

it('a client of pg that changes text is refused by what it answers, not believed', async () => {
  const client = await connect()
  client.setTypeParser(types.builtins.TEXT, (text) => text.length)
  await client.query('begin')
  await expect(toQuery(client)('select $1::text as a', ['abc'])).rejects.toThrow('got 3 (number); a type parser of its')
})

it('a Knex transaction that is over says so itself', async () => {
  const { url } = await newSchema()
  const db = knex({ client: 'pg', connection: url })
  onTestFinished(() => db.destroy())
  const tx = await db.transaction()
  const query = toQuery(tx)
  await tx.commit()
  await expect(query('select $1::text as a', ['a'])).rejects.toThrow('Transaction query already complete')
})
