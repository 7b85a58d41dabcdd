/**
 * `npm run check -- licences`: lists the licence of every package that package-lock.json names, and fails for one that is not on
 * the list below. `--production` lists only what users install.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Licences that allow use in a program of any licence, as SPDX names them. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-4.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MPL-2.0',
  'Python-2.0',
  'Unlicense',
])

/** Tools that are run and never shipped, whose licence asks for nothing of their output. */
const TOOLS = new Set(['rollup-plugin-dts'])

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const production = process.argv.includes('--production')

const rows = Object.entries(packages)
  .filter(([path, { dev, devOptional }]) => path !== '' && !(production && (dev || devOptional)))
  .map(([path, entry]) => ({ name: nameOf(path), version: entry.version, licence: licenceOf(path, entry) }))
  .sort((a, b) => a.licence.localeCompare(b.licence) || a.name.localeCompare(b.name))
for (const { name, version, licence } of rows) console.log(`${licence.padEnd(24)} ${name}@${version}`)

const refused = rows.filter(({ name, licence }) => !TOOLS.has(name) && !isAllowed(licence))
console.log(`${rows.length} packages, ${refused.length} of them with a licence that is not allowed`)
for (const { name, version, licence } of refused) console.error(`not allowed: ${name}@${version} (${licence})`)
if (refused.length > 0) process.exitCode = 1

function nameOf(path) {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** The lock file names the licence; packages that are older name it in their own manifest only. */
function licenceOf(path, { license }) {
  if (typeof license === 'string') return license
  const manifest = join(root, path, 'package.json')
  if (!existsSync(manifest)) return 'unknown'
  const { license: own, licenses } = JSON.parse(readFileSync(manifest, 'utf8'))
  return (typeof own === 'string' ? own : own?.type) ?? licenses?.[0]?.type ?? 'unknown'
}

/** An expression of SPDX without nested parentheses: one alternative is enough, and each of its parts must be allowed. */
function isAllowed(expression) {
  return expression
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((each) => each.split(' AND ').every((id) => ALLOWED.has(id.trim())))
}
