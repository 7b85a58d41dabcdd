/** The oracle in Go, built once for each state of its sources and each version of Go. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { hashOf, madeOnceSync } from './made-once.js'

/** What it is asked about: chains in handshakes and what was issued, CRLs as etcd reads them, requests and keys. */
type GoSubject = 'chains' | 'lists' | 'requests'

/**
 * It runs for moments and is compiled for half a minute: without optimization and debug information, and without cgo, whose C compiler
 * Go's resolver would ask for, it is half of that. A larger heap saves the compiler collections.
 */
const FLAGS = ['-trimpath', '-gcflags=all=-N -l -dwarf=false', '-ldflags=-s -w']
const FAST = { CGO_ENABLED: '0', GOGC: '400' }

/** The program and its arguments. */
export function goOracle(subject: GoSubject): [program: string, args: string[]] {
  const env = { ...process.env, ...goEnvironment() }
  const hash = createHash('sha256').update(execFileSync('go', ['version'], { env, stdio: 'pipe' }))
  const program = madeOnceSync('go', hashOf(['test/support/go'], hash.update(FLAGS.join())), (place) => {
    const cwd = fileURLToPath(new URL('go/', import.meta.url))
    execFileSync('go', ['build', ...FLAGS, '-o', place, '.'], { cwd, env, stdio: 'pipe' })
  })
  return [program, [subject]]
}

/** Offline: the standard library only, by the Go that is installed; what it compiles is kept where Go keeps it. */
function goEnvironment(): Record<string, string> {
  const offline = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off', ...FAST }
  const hasPlace = ['GOCACHE', 'XDG_CACHE_HOME', 'HOME'].some((name) => process.env[name] !== undefined)
  const cache = (name: string): string => fileURLToPath(new URL(`../../.cache/${name}`, import.meta.url))
  return hasPlace ? offline : { ...offline, GOCACHE: cache('go-cache'), GOPATH: cache('go-path') }
}

/** Asks all questions in one run: JSON, a line each, in and out, in order. */
export function runGo(subject: GoSubject, questions: readonly unknown[]): unknown[] {
  const output = execFileSync(...goOracle(subject), {
    input: questions.map((each) => `${JSON.stringify(each)}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  })
  const lines = output.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as unknown)
}
