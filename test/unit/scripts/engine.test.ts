import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EngineApi, target } from '../../../.config/lib/engine-api.mjs'
import { parseLdd } from '../../../.config/lib/etcd-image.mjs'

describe('the address of a container engine', () => {
  it.each([
    ['unix:///run/user/1000/podman/podman.sock', { socketPath: '/run/user/1000/podman/podman.sock' }],
    ['tcp://127.0.0.1:2375', { host: '127.0.0.1', port: 2375, secure: false }],
    ['tcp://localhost', { host: 'localhost', port: 2375, secure: false }],
    ['npipe:////./pipe/docker_engine', { socketPath: '//./pipe/docker_engine' }],
  ])('%s is understood', (host, expected) => {
    expect(target(host)).toEqual(expected)
  })

  it('with TLS has another port', () => {
    expect(target('tcp://engine', { DOCKER_TLS_VERIFY: '1' })).toEqual({ host: 'engine', port: 2376, secure: true })
  })

  it('over ssh is refused, since testcontainers cannot use it', () => {
    expect(() => target('ssh://user@host')).toThrow('only unix://, npipe:// and tcp:// addresses can')
  })
})

describe('a container engine', () => {
  let server: Server
  let handle: RequestListener
  let engine: EngineApi
  beforeEach(async () => {
    server = createServer((request, response) => {
      handle(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    engine = new EngineApi(`tcp://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  it('answers, or does not', async () => {
    handle = (_, response) => response.end('OK')
    expect(await engine.answers()).toBe(true)
    handle = (_, response) => response.writeHead(500).end()
    expect(await engine.answers()).toBe(false)
    handle = () => undefined
    expect(await engine.answers(50)).toBe(false)
    expect(await new EngineApi('unix:///no/such.sock').answers()).toBe(false)
  })

  it.each<[what: string, handle: RequestListener, message: string]>([
    [
      'refuses a pull',
      (_, response) => response.writeHead(404).end('{"message":"manifest unknown"}'),
      'manifest unknown',
    ],
    [
      'fails in the middle of a pull',
      (_, response) => response.end('{"status":"Pulling"}\n{"error":"no space left on device"}\n'),
      'no space left on device',
    ],
    ['stays silent', (_, response) => response.write('{"status":"Pulling"}\n'), 'no answer within 0.3 s'],
  ])('that %s is quoted', async (_, answer, message) => {
    handle = answer
    await expect(engine.pullImage('a', 'b', { silence: 300 })).rejects.toThrow(message)
  })

  it('is asked to remove what carries a label, and may have done so already', async () => {
    const deleted: string[] = []
    handle = ({ method, url = '' }, response) => {
      if (method === 'DELETE') deleted.push(url.replace(/\?.*/, ''))
      if (method === 'DELETE') return response.writeHead(404).end('{"message":"No such container"}')
      expect(decodeURIComponent(url)).toContain('{"label":["etcd-mtls.run=x"]}')
      return response.end(url.startsWith('/containers') ? '[{"Id":"c1"},{"Id":"c2"}]' : '[{"Id":"n1"}]')
    }
    await engine.removeLabelled('etcd-mtls.run=x')
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
