/** Which process holds a lock, and whether it is still there. */
import { readFile, readlink } from 'node:fs/promises'
import { isError } from '../report/errors.js'
import { hostname } from 'node:os'

/** A process, distinct from others that had or will have the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /**
   * Where process numbers have the same meaning: host, boot and PID namespace. Two containers of one name on one host
   * differ.
   */
  readonly place: string
  /** When it started, in ticks since the boot (proc(5), field 22); null without /proc. */
  readonly started: string | null
}

/** This process. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  const status = await readStatus(process.pid)
  return { pid: process.pid, place: [hostname(), boot.trim(), namespace].join(' '), started: status?.started ?? null }
}

/**
 * Whether a process still runs; `unknown` for another host or namespace. The time of its start distinguishes another
 * process with the same number. A zombie no longer runs.
 */
export async function isAlive(other: ProcessIdentity, own: ProcessIdentity): Promise<boolean | 'unknown'> {
  if (other.place !== own.place) return 'unknown'
  const status = await readStatus(other.pid)
  if (status === null) return hasProcess(other.pid)
  if (status.state === 'Z' || status.state === 'X') return false
  return other.started === null || other.started === status.started
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it exists, and belongs to another user.
    return !(isError(error) && 'code' in error && error.code === 'ESRCH')
  }
}

/** From /proc/<pid>/stat; null if there is none. */
async function readStatus(pid: number): Promise<{ state: string; started: string } | null> {
  let text: string
  try {
    text = await readFile(`/proc/${String(pid)}/stat`, 'utf8')
  } catch {
    return null
  }
  // The second field is the name in parentheses, which may have spaces and parentheses.
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const started = fields[18]
  return state === undefined || started === undefined ? null : { state, started }
}
