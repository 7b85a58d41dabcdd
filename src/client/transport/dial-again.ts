/**
 * Dials again while a server is being renewed: as long as its certificate and key do not match, etcd answers every handshake
 * with alert 80, and it recovers automatically, because it reads both files at each handshake.
 */
import { backoffPause } from './backoff.js'
import { dial, type Dialling, type DialOutcome, type DialRequest } from './dial.js'

const INTERNAL_ERROR = 80
const PAUSES = { first: 100, longest: 1000 }

/** {@link dial}, repeated within the time while the server answers with alert 80. If it persists, the alert is reported. */
export function dialAgain(request: DialRequest): Dialling {
  const deadline = performance.now() + request.timeout
  let { keepsProcess } = request
  let current = dial(request)
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | null = null
  let aborted = false

  const pause = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      stop = resolve
      timer = setTimeout(resolve, milliseconds)
      if (!keepsProcess) timer.unref()
    })

  const run = async (): Promise<DialOutcome> => {
    let last: DialOutcome | null = null
    for (let failures = 1; ; failures += 1) {
      const outcome = await current.outcome
      // The last attempt may have no time left to receive the alert.
      if (last !== null && !outcome.ok && outcome.failure.timedOut) return last
      const length = backoffPause(failures, PAUSES)
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || aborted || left <= 0) return outcome
      last = outcome
      await pause(length)
      if (isAborted()) return outcome
      current = dial({ ...request, keepsProcess, timeout: Math.max(1, deadline - performance.now()) })
    }
  }
  const isAborted = (): boolean => aborted

  return {
    outcome: run(),
    abort: () => {
      aborted = true
      current.abort()
      clearTimeout(timer)
      stop?.()
    },
    release: () => {
      keepsProcess = false
      timer?.unref()
      current.release()
    },
  }
}
