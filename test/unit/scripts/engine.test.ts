import Docker from 'dockerode'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answers, dockerAt, pullImage } from '../../../scripts/lib/engine-api.mjs'

describe('a container engine', () => {
  let server: Server
  let handle: RequestListener
  let engine: Docker
  beforeEach(async () => {
    server = createServer((request, response) => {
      handle(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    engine = new Docker({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  it('a container engine answers, or does not', async () => {
    handle = (_, response) => response.end('OK')
    expect(await answers(engine)).toBe(true)
    handle = (_, response) => response.writeHead(500).end()
    expect(await answers(engine)).toBe(false)
    handle = () => undefined
    expect(await answers(engine, 50)).toBe(false)
    expect(await answers(await dockerAt('unix:///no/such.sock'))).toBe(false)
  })

  it.each<[what: string, handle: RequestListener, message: string]>([
    ['refuses', (_, response) => response.writeHead(404).end('{"message":"manifest unknown"}'), 'manifest unknown'],
    [
      'fails in the middle of',
      (_, response) => response.end('{"status":"Pulling"}\n{"error":"no space left on device"}\n'),
      'no space left on device',
    ],
    ['stays silent in', (_, response) => response.write('{"status":"Pulling"}\n'), 'no answer within 0.3 s'],
  ])('an error quotes a container engine that %s a pull', async (_, answer, message) => {
    handle = answer
    await expect(pullImage(engine, 'a:b', { silence: 300, signal: new AbortController().signal })).rejects.toThrow(
      message,
    )
  })
})
