import { expect, it } from 'vitest'

import { show } from './core/expect.ts'
import { hasSecret, hideSecrets, masked } from './secrets.ts'

it.each([
  ['postgres://ann:canary@host/db', 'postgres://ann:***@host/db'],
  ['que:postgres://ann:canary@host/db', 'que:postgres://ann:***@host/db'],
  ['sqlq:postgres://ann:canary@host/db', 'sqlq:postgres://ann:***@host/db'],
  ['redis://:canary@host:6379/0', 'redis://:***@host:6379/0'],
  ['postgres://ann:can@ry/:?#@host/db', 'postgres://ann:***@host/db'],
  ['libsql://host?authToken=canary&tls=1', 'libsql://host?authToken=***&tls=1'],
  ['postgres://host/db?user=ann&password=canary', 'postgres://host/db?user=ann&password=***'],
  ['sqlite:app.db', 'sqlite:app.db'],
  ['postgres://host:5432/db', 'postgres://host:5432/db'],
])('masks the secret of %s', (url, shown) => {
  expect(masked(url)).toBe(shown)
  expect(hasSecret(url)).toBe(url !== shown)
})

it('hides a secret wherever a text quotes it: in its URL, decoded, cut, or alone', () => {
  const url = `postgres://ann:c%40nary-${'x'.repeat(100)}@host/db`
  const text = `${url} and ${show(url)} and "c@nary-${'x'.repeat(100)}"`
  expect(hideSecrets(text, [url])).toBe(
    'postgres://ann:***@host/db and "postgres://ann:***@host/db" (string) and "***"',
  )
})

it('hides a very short secret only in its URL, since elsewhere it is a part of words', () => {
  const url = 'postgres://ann:job@host/db'
  expect(hideSecrets(`no job in ${url}`, [url])).toBe('no job in postgres://ann:***@host/db')
})
