import { Client } from 'pg'
import { describe, expect, inject, it } from 'vitest'

import { hostileNames } from '../../testing/contract/builders.ts'
import { numberArray, textArray } from './array.ts'

describe('arrays as text', () => {
  it('come to the server as they are, nulls and hostile names included', async () => {
    const values = [null, '', 'null', 'NULL', '{}', ',', '\\"', '\n\t', ...hostileNames, undefined, 'last']
    const client = new Client(inject('postgres').url)
    await client.connect()
    const { rows } = await client.query('select $1::text[] as texts, $2::bigint[] as numbers', [
      textArray(values),
      numberArray([1, undefined, -(2 ** 53 - 1)]),
    ])
    await client.end()
    expect(rows).toEqual([
      { texts: values.map((value) => value ?? null), numbers: ['1', null, String(-(2 ** 53 - 1))] },
    ])
  })

  it('are null when there is nothing in them: unnest fills that up', () => {
    expect([textArray([]), textArray([undefined, null]), numberArray([]), numberArray([undefined])]).toEqual([
      null,
      null,
      null,
      null,
    ])
  })
})
