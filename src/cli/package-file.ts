/** Data files of the package. A bundle of the program in one file replaces this module. */
import { readFileSync } from 'node:fs'

/** The parsed JSON file, from the root of the package: `dist/findings.json`. The caller gives the type of its contents. */
export function readPackageFile(file: 'package.json' | 'dist/findings.json' | 'dist/log-lines.json'): unknown {
  // dist/cli/main.js and dist/shared/….js are two folders below the root, as is this file.
  return JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))
}
