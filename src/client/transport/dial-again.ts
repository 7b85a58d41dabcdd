/**
 * Dialling with patience for a server that is just being renewed: while its certificate and key do not fit together, etcd
 * answers every handshake with alert 80, and heals by itself, since it reads both files at each handshake.
 */
import { dial, type Dialling, type DialOutcome, type DialRequest } from './dial.js'

const INTERNAL_ERROR = 80
/** Pauses between attempts, in milliseconds: the first, and the longest. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1000

/** {@link dial}, again and again within the time while the server answers with alert 80. What stays is told as it is. */
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
    let length = FIRST_PAUSE
    for (;;) {
      const outcome = await current.outcome
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || aborted || left <= 0) return outcome
      await pause(length)
      if (isAborted()) return outcome
      length = Math.min(LONGEST_PAUSE, length * 2)
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
