/**
 * Builds dist when npm installs or packs a clone, as pre-commit does: dist is not committed. A dist that is there stays. The scripts
 * of this repository, which install packages and do not need dist, set ETCD_MTLS_PREPARE to "off".
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isWanted = process.env['ETCD_MTLS_PREPARE'] !== 'off' && !existsSync(join(root, 'dist/index.js'))
if (isWanted) execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { cwd: root, stdio: 'inherit' })
