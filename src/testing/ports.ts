/** Ports on 127.0.0.1. */
import { createServer } from 'node:net'

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

/** True for the error or log line of a port that somebody else took in between. */
export function isPortTaken(text: string): boolean {
  return /port is already allocated|address already in use/i.test(text)
}
