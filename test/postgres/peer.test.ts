import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** A folder in which the package is installed as npm would, from what it would publish, and nothing else. */
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jobferry-peer-'))
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
  })
  const home = join(folder, 'node_modules/jobferry')
  mkdirSync(home, { recursive: true })
  await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', home, '--strip-components=1'])
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return () => rmSync(folder, { recursive: true })
})

/** Runs a program there; says what it printed, and which modules it loaded besides those of Node. */
async function program(text: string): Promise<{ readonly said: unknown; readonly loaded: readonly string[] }> {
  writeFileSync(
    join(folder, 'hook.js'),
    `import { registerHooks } from 'node:module'
     registerHooks({ load: (url, context, next) => (url.startsWith('file:') && console.error(url), next(url, context)) })`,
  )
  writeFileSync(join(folder, 'program.js'), text)
  const { stdout, stderr } = await run(process.execPath, ['--import', './hook.js', 'program.js'], { cwd: folder })
  const loaded = stderr.split('\n').flatMap((line) => /node_modules\/(.*)$/.exec(line)?.[1] ?? [])
  return { said: JSON.parse(stdout), loaded }
}

describe('the package without pg', () => {
  it('works on SQLite, and loads nothing of PostgreSQL but the names of its options', async () => {
    const { said, loaded } = await program(`
      import { open, task } from 'jobferry'
      const jobs = await open('sqlite:app.db')
      const done = new Promise((resolve) => jobs.on('completed', ({ job }) => resolve(job.task)))
      jobs.work([task({ name: 'hello', handler: () => undefined })])
      await jobs.enqueue(task({ name: 'hello' }))
      console.log(JSON.stringify(await done))
      await jobs.close()`)
    expect(said).toBe('hello')
    expect(loaded.filter((file) => file.includes('stores/postgres') || !file.startsWith('jobferry/'))).toEqual([
      'jobferry/dist/stores/postgres/options.js',
    ])
  })

  it('says what to install when a PostgreSQL URL is opened, and its subpath can be loaded', async () => {
    const { said, loaded } = await program(`
      import { open } from 'jobferry'
      import { PostgresStore } from 'jobferry/postgres'
      const words = (promise) => promise.then(() => 'opened', ({ name, code, message }) => ({ name, code, message }))
      const url = 'postgres://ann:canary@127.0.0.1:1/db'
      console.log(JSON.stringify([await words(open(url)), await words(PostgresStore.open(url))]))`)
    const error = {
      name: 'UsageError',
      code: 'usage',
      message: 'PostgreSQL needs the package pg, which is not installed here. Run: npm install pg',
    }
    expect(said).toEqual([error, error])
    expect(loaded.filter((file) => !file.startsWith('jobferry/'))).toEqual([])
  })

  it('says the same on the command line, as a mistake in the call', async () => {
    const cli = join(folder, 'node_modules/jobferry/dist/cli/main.js')
    const ended = run(process.execPath, [cli, 'stats', '--url', 'postgres://ann:canary@127.0.0.1:1/db'])
    const error: unknown = await ended.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Run: npm install pg') })
    expect(JSON.stringify(error)).not.toMatch(/stderr.*canary/)
  })

  it('names pg as a peer that need not be there, and depends on nothing', () => {
    const text = readFileSync(join(folder, 'node_modules/jobferry/package.json'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      peerDependencies: { pg: '>=8.11' },
      peerDependenciesMeta: { pg: { optional: true } },
    })
    expect(JSON.parse(text)).not.toHaveProperty('dependencies')
  })
})
