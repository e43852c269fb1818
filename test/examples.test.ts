import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'

const run = promisify(execFile)
const demo = join(import.meta.dirname, '../examples/demo/main.ts')
const env = { ...process.env, NO_COLOR: '1' }

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jobferry-examples-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

it('the demo hashes every file exactly once in effect, although its worker is killed twice', async () => {
  const [files, db] = [join(dir, 'files'), join(dir, 'demo.db')]
  mkdirSync(join(files, 'below'), { recursive: true })
  for (let n = 0; n < 600; n++) writeFileSync(join(files, n % 2 === 0 ? '.' : 'below', `${n}.txt`), `file ${n}`)

  const { stdout } = await run(process.execPath, [demo, files, '--db', db], { env })

  expect(stdout).toContain('Every file was hashed exactly once in effect.')
  expect(stdout).toMatch(/files queued +600\n +rows in hashes +600 +✓\n +hashed twice +0 +✓\n +missing +0 +✓/)
  expect(stdout.match(/SIGKILL to worker/g)).toHaveLength(2)
  expect(stdout).toContain(db)
  using handle = new DatabaseSync(db)
  expect({ ...handle.prepare('select count(*) rows, count(distinct sha256) hashes from hashes').get() }).toEqual({
    rows: 600,
    hashes: 600,
  })
})

it('the demo says when it takes only a part of the files', async () => {
  for (let n = 0; n < 5; n++) writeFileSync(join(dir, `${n}.txt`), `file ${n}`)
  const { stdout } = await run(process.execPath, [demo, dir, '--limit', '3'], { env: { ...env, TMPDIR: dir } })
  expect(stdout).toContain('only')
  expect(stdout).toMatch(/files queued +3\n/)
})

it('the demo refuses a database that exists, rather than to mix two runs', async () => {
  const db = join(dir, 'demo.db')
  writeFileSync(db, '')
  await expect(run(process.execPath, [demo, dir, '--db', db], { env })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('exists already'),
  })
})
