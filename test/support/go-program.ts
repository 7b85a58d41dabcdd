/** Programs in Go, each built once for each state of its source and each version of Go, whoever asks first. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
const LOCK = join(CACHE, 'go-build.lock')

/**
 * The path of the program in a folder beside this file, which is built where it is not there yet. One test file builds
 * while the others wait, whatever they want: all need the same parts of the standard library, which take the most time.
 *
 * @param folder With its slash: `go-requests/`.
 */
export function goProgram(folder: string): string {
  const source = fileURLToPath(new URL(folder, import.meta.url))
  const env = { ...process.env, ...goEnvironment() }
  const hash = createHash('sha256').update(execFileSync('go', ['version'], { env, stdio: 'pipe' }))
  for (const name of ['go.mod', 'main.go']) hash.update(readFileSync(join(source, name)))
  const program = join(CACHE, `${folder.replace('/', '')}-${hash.digest('hex').slice(0, 16)}`)
  mkdirSync(CACHE, { recursive: true })
  while (!existsSync(program)) {
    if (takeLock()) build(source, program, env)
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  }
  return program
}

/** Offline: the standard library only, by the Go that is installed; what it compiles is kept where Go keeps it. */
function goEnvironment(): Record<string, string> {
  const offline = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off' }
  const hasPlace = ['GOCACHE', 'XDG_CACHE_HOME', 'HOME'].some((name) => process.env[name] !== undefined)
  return hasPlace ? offline : { ...offline, GOCACHE: join(CACHE, 'go-cache'), GOPATH: join(CACHE, 'go-path') }
}

/** Whether this process may build; a lock whose owner is gone is taken away. */
function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (!isRunning(Number(existsSync(LOCK) ? readFileSync(LOCK, 'utf8') : '0'))) rmSync(LOCK, { force: true })
    return false // somebody else builds, or the lock is free at the next try
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid === 0 || process.kill(pid, 0)
  } catch {
    return false
  }
}

function build(source: string, program: string, env: NodeJS.ProcessEnv): void {
  try {
    execFileSync('go', ['build', '-trimpath', '-o', `${program}.new`, '.'], { cwd: source, env, stdio: 'pipe' })
    renameSync(`${program}.new`, program) // whole or not at all
  } finally {
    rmSync(LOCK, { force: true })
  }
}
