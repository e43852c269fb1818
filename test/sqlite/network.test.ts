import { existsSync } from 'node:fs'

import { expect, it, vi } from 'vitest'

import { UsageError } from '../../src/index.ts'
import { newFile, openJobs } from './kit.ts'

/** What the kernel says of the folder: there is no network file system here to try. */
const kernel = vi.hoisted(() => ({ says: undefined as number | undefined }))

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    statfsSync: (path: string) => (kernel.says === undefined ? fs.statfsSync(path) : { type: kernel.says }),
  }
})

it.each([
  ['nfs', 0x6969],
  ['smb2', 0xfe534d42],
  ['cifs', 0xff534d42],
  ['9p', 0x01021997],
  ['ceph', 0x00c36400],
  ['afs', 0x5346414f],
])('refuses a file on %s, and makes none', async (name, type) => {
  const file = newFile()
  kernel.says = type
  await expect(openJobs(file)).rejects.toThrow(UsageError)
  await expect(openJobs(file)).rejects.toThrow(`network file system (${name})`)
  kernel.says = undefined
  expect(existsSync(file)).toBe(false)
})

it.each([
  ['ext4', 0xef53],
  ['xfs', 0x58465342],
  ['btrfs', 0x9123683e],
  ['tmpfs', 0x01021994],
  ['overlayfs', 0x794c7630],
])('takes a file on %s', async (_, type) => {
  kernel.says = type
  await expect(openJobs(newFile())).resolves.toBeDefined()
  kernel.says = undefined
})

it('reports a network file system that the file has come to be on', async () => {
  const jobs = await openJobs(newFile())
  kernel.says = 0x6969
  const disk = (await jobs.report()).find(({ name }) => name === 'disk')
  kernel.says = undefined
  expect(disk).toMatchObject({ level: 'fail', message: expect.stringContaining('nfs') })
})
