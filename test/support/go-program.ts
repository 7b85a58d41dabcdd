/** Programs in Go, built once for each state of their sources and each version of Go. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hashOf, madeOnceSync } from './made-once.js'

/** Folders next to this file. All need the same parts of the standard library, which take nearly all of the time. */
const PROGRAMS = ['go', 'go-issued', 'go-lists', 'go-requests'] as const

type GoProgram = (typeof PROGRAMS)[number]

/**
 * The programs run for moments and are compiled for half a minute: without optimization and debug information, and without
 * cgo, whose C compiler Go's resolver would ask for, it is half of that. A larger heap saves the compiler collections.
 */
const FLAGS = ['-trimpath', '-gcflags=all=-N -l -dwarf=false', '-ldflags=-s -w']
const FAST = { CGO_ENABLED: '0', GOGC: '400' }

/** The path of a program. */
export function goProgram(name: GoProgram): string {
  const env = { ...process.env, ...goEnvironment() }
  const hash = createHash('sha256').update(execFileSync('go', ['version'], { env, stdio: 'pipe' }))
  hash.update(FLAGS.join())
  const folder = madeOnceSync('go', hashOf(sources(), hash), (place) => {
    mkdirSync(place)
    for (const each of PROGRAMS) {
      const cwd = fileURLToPath(new URL(`${each}/`, import.meta.url))
      execFileSync('go', ['build', ...FLAGS, '-o', join(place, each), '.'], { cwd, env, stdio: 'pipe' })
    }
  })
  return join(folder, name)
}

function sources(): string[] {
  return PROGRAMS.map((each) => `test/support/${each}`)
}

/** Offline: the standard library only, by the Go that is installed; what it compiles is kept where Go keeps it. */
function goEnvironment(): Record<string, string> {
  const offline = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off', ...FAST }
  const hasPlace = ['GOCACHE', 'XDG_CACHE_HOME', 'HOME'].some((name) => process.env[name] !== undefined)
  const cache = fileURLToPath(new URL('../../.cache', import.meta.url))
  return hasPlace ? offline : { ...offline, GOCACHE: join(cache, 'go-cache'), GOPATH: join(cache, 'go-path') }
}

/** Runs a program once for all questions: JSON, a line each, in and out, in order. */
export function runGo(program: GoProgram, questions: readonly unknown[]): unknown[] {
  const output = execFileSync(goProgram(program), {
    input: questions.map((each) => `${JSON.stringify(each)}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}
