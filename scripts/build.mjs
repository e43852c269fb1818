// Builds dist/ anew: JavaScript and declarations by tsc, the .sql files beside them, and the dashboard's page.
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { build } from 'vite'

process.chdir(join(import.meta.dirname, '..'))
rmSync('dist', { recursive: true, force: true })

const { status } = spawnSync('tsc -p tsconfig.build.json', { shell: true, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

for (const file of globSync('**/*.sql', { cwd: 'src' })) cpSync(join('src', file), join('dist', file))

await build({ configFile: 'dashboard/vite.config.ts' })
