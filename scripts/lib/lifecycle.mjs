/** The frame of a script: signals end it in order, and what it set up is taken down again, whatever happened. */
import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** How often the parent is looked for, in milliseconds. */
const PARENT_INTERVAL = 100

/** Writes one line for the person at the terminal. */
export function say(line) {
  process.stdout.write(`${line}\n`)
}

/** An error that is printed as one sentence, without its stack. */
export class Stop extends Error {}

/**
 * Runs `body` with `signal`, which aborts on the first SIGINT, SIGTERM or SIGHUP, and `defer`, which takes clean-ups:
 * they run last to first after the body has ended or thrown. Sets the exit code to what the body returns, to 1 when it
 * threw, and to 128 + n after signal n.
 *
 * @param {(frame: { signal: AbortSignal, defer(cleanup: () => unknown): void }) => Promise<number>} body
 */
export async function lifecycle(body, { lastLine } = {}) {
  const stopping = new AbortController()
  const cleanups = []
  let caught = null
  const onSignal = (name) => {
    if (caught !== null) return // the first one is being obeyed already; cutting it short would leave things behind
    caught = name
    stopping.abort(new Stop(`ended by ${name}`))
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  const parent = watchParent(() => onSignal('SIGHUP'))
  // A reader that has gone away (`| head`) must not keep the clean-ups from running.
  process.stdout.on('error', ignorePipe)
  process.stderr.on('error', ignorePipe)

  let code
  try {
    code = await body({ signal: stopping.signal, defer: (cleanup) => cleanups.push(cleanup) })
  } catch (error) {
    code = 1
    if (caught === null) tell(error)
  }
  for (const cleanup of cleanups.reverse()) {
    try {
      await cleanup()
    } catch (error) {
      code ||= 1
      tell(error)
    }
  }
  clearInterval(parent)
  if (caught !== null) code = 128 + constants.signals[caught]
  process.exitCode = code
  const line = lastLine?.(code)
  if (line !== undefined) say(line)
}

/**
 * A signal that is sent to npm alone ends npm and the shell between us, and this process is not notified. Only as npm's child is a
 * parent's end a reason to end.
 */
function watchParent(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined
  const parent = process.ppid
  const look = () => {
    if (process.ppid !== parent) onGone()
  }
  return setInterval(look, PARENT_INTERVAL).unref()
}

function tell(error) {
  process.stderr.write(`${error instanceof Stop ? error.message : (error?.stack ?? String(error))}\n`)
}

function ignorePipe(error) {
  if (error.code !== 'EPIPE') throw error
}
