import Docker from 'dockerode'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answers, dockerAt, pullImage, removeLabelled } from '../../../.config/lib/engine-api.mjs'
import { parseLdd } from '../../../.config/lib/etcd-image.mjs'

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

  it('answers, or does not', async () => {
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
  ])('that %s a pull is quoted', async (_, answer, message) => {
    handle = answer
    await expect(pullImage(engine, 'a:b', { silence: 300, signal: new AbortController().signal })).rejects.toThrow(
      message,
    )
  })

  it('is asked to remove what carries a label, and may have done so already', async () => {
    const deleted: string[] = []
    handle = ({ method, url = '' }, response) => {
      response.setHeader('content-type', 'application/json')
      if (method === 'DELETE') deleted.push(url.replace(/\?.*/, ''))
      if (method === 'DELETE') return response.writeHead(404).end('{"message":"No such container"}')
      expect(decodeURIComponent(url)).toContain('{"label":["etcd-mtls.run=x"]}')
      return response.end(url.startsWith('/containers') ? '[{"Id":"c1"},{"Id":"c2"}]' : '[{"Id":"n1"}]')
    }
    await removeLabelled(engine, 'etcd-mtls.run=x')
    expect(deleted.sort()).toEqual(['/containers/c1', '/containers/c2', '/networks/n1'])
  })
})

it('the libraries of a program are read from what ldd prints', () => {
  const output = [
    '\tlinux-vdso.so.1 (0x00007f21df3b3000)',
    '\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f21df1ad000)',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f21df3b5000)',
  ].join('\n')
  expect(parseLdd(output)).toEqual(['/lib/x86_64-linux-gnu/libc.so.6', '/lib64/ld-linux-x86-64.so.2'])
})
