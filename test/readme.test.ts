import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')

it('shows only code that is type-checked as a program of its own', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? '')
  const folder = join(root, 'examples/readme')
  const programs = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
  expect(blocks.length).toBeGreaterThan(0)
  for (const block of blocks)
    expect(
      programs.some((program) => program.includes(block)),
      block,
    ).toBe(true)
})
