/** An address of this machine that swallows packets: a port whose queue is full, so that the kernel drops every further SYN. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface BlackHole extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly endpoint: string
}

/** As /proc/net/tcp writes it. */
const SYN_SENT = '02'

/** More connections than any queue of this length takes. */
const ENOUGH = 100

export async function blackHole(): Promise<BlackHole> {
  const code = `const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const filling: Socket[] = []
  const close = async (): Promise<void> => {
    for (const socket of filling) socket.destroy()
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
  }
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    // A process that is stopped accepts nothing, and its queue fills.
    child.kill('SIGSTOP')
    while (await takesOneMore(port, filling)) if (filling.length > ENOUGH) throw new Error('The queue does not fill')
    return { endpoint: `https://127.0.0.1:${String(port)}`, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens a connection and keeps it; false when it does not come about. */
async function takesOneMore(port: number, sockets: Socket[]): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  sockets.push(socket)
  // Looked at after a turn of the event loop, in which the system was asked.
  await sleep(0)
  while (socket.connecting) {
    if (await repeatsItself(port)) return false
    await sleep(20)
  }
  return true
}

/** Whether the kernel has sent a SYN to this port again, since nobody answered the first: columns `st` and `retrnsmt`. */
async function repeatsItself(port: number): Promise<boolean> {
  const to = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  return rows.some(
    ([, , remote, state, , , again]) => remote === to && state === SYN_SENT && Number(`0x${again ?? '0'}`) > 0,
  )
}
