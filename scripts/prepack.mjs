/** Builds dist before npm packs a clone, as pre-commit does: dist is not committed. A dist that is there is packed as it is. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Of npm pack, stdout is the name of the tarball, which pre-commit reads.
if (!existsSync(join(root, 'dist/index.js')))
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] })
