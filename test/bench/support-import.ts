/** What `npm run bench` makes next to the compiled benchmarks: the package as it is shipped. */
import { execFileSync } from 'node:child_process'
import type { Contender } from './harness.js'

/** The address of a room's bundle. */
export function shipped(room: string): string {
  return new URL(`../../dist/${room}/index.js`, import.meta.url).href
}

/** A Node process that runs the code, such as one import, and ends. */
export function processOf(name: string, code: string): Contender {
  return { name, run: () => execFileSync(process.execPath, ['--input-type=module', '--eval', code]) }
}

export const NODE_ALONE = processOf('Node alone', '')
export const PECULIAR = processOf('@peculiar/x509', "import 'reflect-metadata'; import '@peculiar/x509'")
