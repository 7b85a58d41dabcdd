/** Ports on 127.0.0.1: found free, and seen to answer. */
import { connect, createServer } from 'node:net'

/** A port that was free a moment ago. Whoever binds it has to be ready to lose the race and ask again. */
export async function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = address !== null && typeof address === 'object' ? address.port : 0
      server.close(() => {
        resolve(port)
      })
    })
  })
}

/** True when a connection to 127.0.0.1 is accepted. */
export async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const settle = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => {
      settle(true)
    })
    socket.on('error', () => {
      settle(false)
    })
  })
}

/** True for the error or log line of a port that somebody else took in between. */
export function isPortTaken(text: string): boolean {
  return /port is already allocated|address already in use/i.test(text)
}
