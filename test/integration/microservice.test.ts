/** The examples of services with a real etcd: one as a process of its own, as Kubernetes runs it, and Fastify's plugin. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fastify, type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it as every } from 'vitest'
import { makeStory } from '../../scripts/lib/story.mjs'
import type * as Example from '../../docs/examples/fastify-plugin.js'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { secretManifest } from '../../src/config/index.js'
import { type Child, startChild } from '../support/child.js'
import { exampleManifests, podOf } from '../support/kubernetes-examples.js'
import type * as Room from '../../src/credentials/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { root } from '../support/compiled.js'
import { oneIn } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const it = oneIn(2, every)

const shared = sharedEtcd()
const { pki } = shared
const { file } = temporaryFolder()

/** A directory in which a Secret is mounted: one generation after the other behind the link `..data`, as the kubelet does. */
interface SecretMount {
  readonly directory: string
  /** Writes what the manifest of the Secret holds. */
  readonly write: (credentials: Credentials) => void
}

let mounts = 0
function mount(credentials: Credentials): SecretMount {
  const directory = file(`secret-${String(mounts++)}`)
  let generation = 0
  const write = (next: Credentials): string[] => {
    const name = `..generation-${String(generation++)}`
    const { data } = secretManifest(next, { name: 'app' })
    mkdirSync(join(directory, name), { recursive: true })
    for (const [path, value] of Object.entries(data)) {
      writeFileSync(join(directory, name, path), Buffer.from(value, 'base64'), { mode: 0o440 })
    }
    symlinkSync(name, join(directory, '..data_tmp'))
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
    return Object.keys(data)
  }
  for (const name of write(credentials)) symlinkSync(`..data/${name}`, join(directory, name))
  return { directory, write }
}

/** The variables that the Deployment gives the container, with what a node would be: the mount, and a free port. */
function variables(mountPath: string): Record<string, string> {
  const { endpoints } = shared.etcd
  const [deployment] = exampleManifests('client-deployment')
  const names = podOf(deployment).containers[0].env?.map(({ name }) => name) ?? []
  const values = { ETCD_ENDPOINTS: endpoints.join(), ETCD_SECRET_DIRECTORY: mountPath }
  expect([...Object.keys(values), 'PORT']).toEqual(names)
  return { ...values, PORT: '0' }
}

let story: Awaited<ReturnType<typeof makeStory>>
const children: Child[] = []

beforeAll(async () => {
  story = await makeStory(root)
}, 120_000)

afterAll(async () => {
  for (const child of children) await child.stop()
  story.remove()
})

function run({ directory }: SecretMount): Child {
  const child = startChild([process.execPath, join(dirname(story.file), 'microservice.js')], {
    env: { PATH: process.env['PATH'], ...variables(directory) },
  })
  children.push(child)
  return child
}

async function stored(key: string): Promise<string> {
  return (await shared.etcd.etcdctl(['get', '--print-value-only', key], pki.client)).stdout.trim()
}

describe('the microservice', () => {
  it('the microservice serves, follows the Secret, and answers open requests when it is ended', async () => {
    const secret = mount(pki.client)
    const service = run(secret)
    await service.says('listening on')
    const out = (): string => service.written.all
    const url = `http://127.0.0.1:${/listening on (\d+)/.exec(out())?.[1] ?? ''}`
    const call = async (path: string, init: RequestInit = {}): Promise<[number, string]> => {
      const response = await fetch(`${url}${path}`, init)
      return [response.status, await response.text()]
    }
    expect(await call('/healthz')).toEqual([200, 'ok\n'])
    expect(await call('/readyz')).toEqual([200, 'ready\n'])
    expect(await call('/items/a')).toEqual([404, 'no such item\n'])
    expect(await call('/items/a', { method: 'PUT', body: 'grün' })).toEqual([204, ''])
    expect(await call('/items/a')).toEqual([200, 'grün'])
    expect(await stored('items/a')).toBe('grün')
    expect(await call('/items/a/b')).toEqual([404, 'not found\n'])
    expect(await call('/items/a', { method: 'POST' })).toEqual([405, 'GET, PUT or DELETE\n'])
    expect(await call('/items/a', { method: 'PUT', body: 'x'.repeat(70_000) })).toEqual([413, 'too large\n'])

    const renewed = pki.issueClient()
    secret.write(renewed)
    const metrics = async (): Promise<string> => (await call('/metrics'))[1]
    await expect.poll(metrics, { timeout: 30_000 }).toContain('etcd_client_rotations_total 1')
    expect(await metrics()).toContain(`etcd_client_certificate_info{serial="${renewed.chain[0].serialNumber}"} 1`)
    expect(await call('/items/a')).toEqual([200, 'grün'])

    const requests = async (): Promise<number> => Number(/app_requests_total (\d+)/.exec(await metrics())?.[1])
    const before = await requests()
    const { body, write, finish } = slowBody()
    const answered = call('/items/slow', { method: 'PUT', body, duplex: 'half' })
    write('half')
    // Each request for the metrics counts as well.
    let asked = 0
    await expect.poll(async () => (await requests()) - before - (asked += 1)).toBe(1)
    service.process.kill('SIGTERM')
    await service.says('ending')
    finish(' and half')
    expect(await answered).toEqual([204, ''])
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(await stored('items/slow')).toBe('half and half')
    expect(out()).toMatch(/^listening on \d+\nrotated to certificate \w+\nending\n$/)
  })

  it('does not start with a certificate that etcd refuses, and reports why', async () => {
    const secret = mount(pki.issueClient({ usages: ['serverAuth'] }))
    const { ended, written } = run(secret)
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(written.all).toContain('usage/extended-key-usage-missing')
  })
})

describe('the plugin of Fastify', () => {
  /** An application whose routes stand next to the plugin, as those of other plugins do. */
  async function application({ directory }: SecretMount): Promise<{ app: FastifyInstance }> {
    const { etcdPlugin } = (await ofStory('fastify-plugin.js')) as typeof Example
    const { fromKubernetesSecret } = (await ofStory('node_modules/etcd-mtls/dist/credentials/index.js')) as typeof Room
    const app = fastify({ keepAliveTimeout: 1 })
    void app.register(etcdPlugin({ endpoints: shared.etcd.endpoints, credentials: fromKubernetesSecret(directory) }))
    void app.register((scope, _, done) => {
      scope.get<{ Params: { name: string } }>('/items/:name', async ({ params }) =>
        clientOf(scope).get(params.name).string(),
      )
      scope.put<{ Params: { name: string }; Body: string }>('/items/:name', async ({ params, body }, reply) => {
        await clientOf(scope).put(params.name).value(body)
        return reply.code(204).send()
      })
      done()
    })
    // In an object: the application is thenable, and a caller that awaits it awaits its start.
    return { app }
  }

  it('the plugin of Fastify has one client for all routes, until the last answer', async () => {
    const secret = mount(pki.client)
    const { app } = await application(secret)
    let requests = 0
    app.addHook('onRequest', (_request, _reply, done) => {
      requests++
      done()
    })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const client = clientOf(app)
    expect(client.tls.endpoints).toMatchObject([{ state: 'ready' }])
    await client.put('b').value('blau')
    expect(await (await fetch(`${url}/items/b`)).text()).toBe('blau')
    const { body, write, finish } = slowBody()
    const headers = { 'content-type': 'text/plain' }
    const answered = fetch(`${url}/items/slow`, { method: 'PUT', headers, body, duplex: 'half' })
    write('half')
    await expect.poll(() => requests).toBe(2)
    const closed = app.close()
    finish(' and half')
    expect((await answered).status).toBe(204)
    await closed
    await expect(client.get('b').string()).rejects.toThrow('already closed')
    expect(await stored('slow')).toBe('half and half')
  })

  it('keeps the application from starting with a certificate that etcd refuses', async () => {
    const secret = mount(pki.issueClient({ usages: ['serverAuth'] }))
    const { app } = await application(secret)
    await expect(app.ready()).rejects.toMatchObject({ code: 'ERR_VALIDATION_FAILED' })
    await app.close()
  })
})

/** What the example's own project has: its package is another copy than the one that tests import. */
async function ofStory(path: string): Promise<unknown> {
  return import(pathToFileURL(join(dirname(story.file), path)).href)
}

/** What the plugin has put there; an application of TypeScript declares it. */
function clientOf(app: FastifyInstance): SecureEtcd3 {
  return app.getDecorator<SecureEtcd3>('etcd')
}

/** A body of a request that comes in two parts. */
function slowBody(): { body: ReadableStream; write: (text: string) => void; finish: (text: string) => void } {
  const encoder = new TextEncoder()
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  return {
    body: readable,
    write: (text) => void writer.write(encoder.encode(text)),
    finish: (text) => {
      void writer.write(encoder.encode(text))
      void writer.close()
    },
  }
}
