/** Ports for servers that a test starts itself, held until the tests of the file are over. */
import { afterAll } from 'vitest'
import { HeldPorts } from '../../src/testing/ports.js'

/** Call it at the top level of a test file, or in a `describe`. */
export function heldPorts() {
  const held = new HeldPorts()
  const taken: number[] = []
  afterAll(() => {
    held.release(taken)
  })
  /** A port of 127.0.0.1 that nobody else gets. */
  const freePort = async (): Promise<number> => {
    const [port = 0] = await held.take(1)
    taken.push(port)
    return port
  }
  /** A URL on 127.0.0.1 with such a port. */
  const freeUrl = async (scheme = 'https'): Promise<string> => `${scheme}://127.0.0.1:${String(await freePort())}`
  return { freePort, freeUrl }
}
