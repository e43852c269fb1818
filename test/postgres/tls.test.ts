import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { open, type OpenOptions } from '../../src/index.ts'
import { postgresAccount } from '../servers/account.ts'
import { type Postgres, startPostgres } from '../servers/postgres.ts'
import { connect } from '../servers/kit.ts'
import { cli } from './cli-kit.ts'

let server: Postgres
let ca: string
let cert: string

/** A server with a certificate that nobody but itself has signed. */
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-tls-'))
  cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  execFileSync('openssl', [...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const { uid, gid } = postgresAccount()
  chmodSync(folder, 0o755)
  chmodSync(key, 0o600)
  if (uid !== undefined && gid !== undefined) chownSync(key, uid, gid)
  ca = readFileSync(cert, 'utf8')
  server = await startPostgres({ settings: { ssl: true, ssl_cert_file: cert, ssl_key_file: key } })
  return async () => {
    await server[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  }
})

/** Opens a store, and says whether each of its connections is encrypted. */
async function encrypted(query: string, options: OpenOptions = {}): Promise<readonly boolean[]> {
  const jobs = await open(`${server.url}${query}`, { logger: false, applicationName: 'tls', ...options })
  onTestFinished(() => jobs.close())
  const { rows } = await (
    await connect(server.url)
  ).query<{ ssl: boolean }>(
    `select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) where a.application_name = 'tls'`,
  )
  await jobs.close()
  return rows.map(({ ssl }) => ssl)
}

describe('TLS', () => {
  it('refuses a certificate that nobody vouches for, by option, by default of `ssl: true` and by URL', async () => {
    const words = 'self-signed certificate'
    await expect(encrypted('', { ssl: { rejectUnauthorized: true } })).rejects.toThrow(words)
    await expect(encrypted('', { ssl: true })).rejects.toThrow(words)
    await expect(encrypted('?sslmode=verify-full')).rejects.toThrow(words)
    const { code, err } = await cli(
      `${server.url.replace('postgres@', 'postgres:canary@')}?sslmode=verify-full`,
      'stats',
    )
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(words) })
    expect(err).not.toContain('canary')
  })

  it('accepts it with its authority, given as an option or in the URL', async () => {
    expect(await encrypted('', { ssl: { ca } })).toEqual([true])
    expect(await encrypted(`?sslmode=verify-full&sslrootcert=${encodeURIComponent(cert)}`)).toEqual([true])
  })

  it('refuses it for another name than its own', async () => {
    await expect(encrypted('', { ssl: { ca, servername: 'db.example.com' } })).rejects.toThrow(
      /altnames|does not match/,
    )
  })

  it('encrypts without asking who it is where it is told so, and not at all where nothing is said', async () => {
    expect(await encrypted('?sslmode=no-verify')).toEqual([true])
    expect(await encrypted('', { ssl: { rejectUnauthorized: false } })).toEqual([true])
    expect(await encrypted('')).toEqual([false])
  })

  it('also encrypts what listens', async () => {
    const jobs = await open(server.url, { logger: false, applicationName: 'ear', ssl: { ca } })
    onTestFinished(() => jobs.close())
    await jobs.lease({ wait: '10ms' })
    const { rows } = await (
      await connect(server.url)
    ).query(
      `select bool_and(s.ssl) as all, count(*) filter (where a.query like 'listen%' or a.query = 'select 1')::int as ears
       from pg_stat_ssl s join pg_stat_activity a using (pid) where a.application_name = 'ear'`,
    )
    expect(rows).toEqual([{ all: true, ears: 1 }])
  })
})
