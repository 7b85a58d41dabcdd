/** An address of this machine that swallows packets: a port whose queue is full, so that the kernel drops every further SYN. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface BlackHole extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly endpoint: string
}

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
  const timer = setTimeout(() => socket.emit('full'), 300)
  const taken = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'full').then(() => false)])
  clearTimeout(timer)
  return taken
}
