/**
 * `npm run check -- releases FILE…`: compares changelogs of etcd (CHANGELOG-3.7.md) and lists of its flags (what `etcd --help`
 * prints, or server/etcdmain/help.go) with the tables in src/config/tables. Fails for a release, a flag or the fix of an advisory
 * that they do not have.
 */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadTables } from './lib/catalogue.mjs'
import { missingIn } from './lib/releases.mjs'

const files = process.argv.slice(2)
const tables = await loadTables(dirname(dirname(fileURLToPath(import.meta.url))))
const missing = files.flatMap((file) => missingIn(file, readFileSync(file, 'utf8'), tables))
for (const each of missing) console.error(each)
if (files.length === 0) console.error('Name the files: npm run check -- releases CHANGELOG-3.7.md help.txt')
else console.log(`${String(files.length)} files, ${String(missing.length)} entries that the tables do not have`)
process.exitCode = files.length > 0 && missing.length === 0 ? 0 : 1
