/**
 * A microservice that stores items in etcd. It has probes, metrics and an orderly shutdown. Its client certificate comes from a
 * mounted Secret, and the client uses the new certificate after a renewal. kubernetes/client-deployment.yaml is its Deployment.
 *
 * Variables: `ETCD_ENDPOINTS` (separated by commas), `ETCD_SECRET_DIRECTORY` and `PORT`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureClient } from 'etcd-mtls/client'
import { fromKubernetesSecret } from 'etcd-mtls/credentials'

const {
  ETCD_ENDPOINTS: endpoints = '',
  ETCD_SECRET_DIRECTORY: directory = '/var/run/secrets/etcd',
  PORT: port = '8080',
} = process.env

// If etcd or the Secret is wrong, this rejects with every fault, and Kubernetes starts the container again.
const client = await createSecureClient({ endpoints, credentials: fromKubernetesSecret(directory) })
const items = client.namespace('items/')

const metrics = { requests: 0, errors: 0, rotations: 0, refused: 0 }
let identity = client.tls.report.path[0]?.serialNumber ?? ''
let isEnding = false

async function followRotation(): Promise<void> {
  for await (const event of client.tls.events()) {
    if (event.type === 'rotated') {
      metrics.rotations++
      identity = event.report.path[0]?.serialNumber ?? ''
      console.log(`rotated to certificate ${identity}`)
    }
    if (event.type === 'rotation-refused') {
      metrics.refused++
      console.error(event.report.findings.map(({ message, remedy }) => `${message} ${remedy}`).join('\n'))
    }
  }
}

interface Answer {
  status: number
  body: string
}

const MAX_BODY = 64 * 1024

async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `/items/<name>`: GET, PUT and DELETE. */
async function item(request: IncomingMessage, name: string): Promise<Answer> {
  switch (request.method) {
    case 'GET': {
      const value = await items.get(name).string()
      return value === null ? { status: 404, body: 'no such item\n' } : { status: 200, body: value }
    }
    case 'PUT': {
      const body = await bodyOf(request)
      if (body === null) return { status: 413, body: 'too large\n' }
      await items.put(name).value(body)
      return { status: 204, body: '' }
    }
    case 'DELETE':
      await items.delete().key(name)
      return { status: 204, body: '' }
    default:
      return { status: 405, body: 'GET, PUT or DELETE\n' }
  }
}

/** Ready: etcd answers, and the service is not shutting down. */
async function readiness(): Promise<Answer> {
  if (isEnding) return { status: 503, body: 'ending\n' }
  await items.get('readiness').string()
  return { status: 200, body: 'ready\n' }
}

function metricsText(): string {
  return [
    '# TYPE app_requests_total counter',
    `app_requests_total ${String(metrics.requests)}`,
    '# TYPE app_errors_total counter',
    `app_errors_total ${String(metrics.errors)}`,
    '# TYPE etcd_client_rotations_total counter',
    `etcd_client_rotations_total ${String(metrics.rotations)}`,
    '# TYPE etcd_client_rotations_refused_total counter',
    `etcd_client_rotations_refused_total ${String(metrics.refused)}`,
    '# TYPE etcd_client_certificate_info gauge',
    `etcd_client_certificate_info{serial="${identity}"} 1`,
    '',
  ].join('\n')
}

async function answer(request: IncomingMessage): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  // Does not call etcd: a restart of this process would not fix etcd.
  if (pathname === '/healthz') return { status: 200, body: 'ok\n' }
  if (pathname === '/readyz') return readiness()
  if (pathname === '/metrics') return { status: 200, body: metricsText() }
  const [, name] = /^\/items\/([\w.-]{1,128})$/.exec(pathname) ?? []
  return name === undefined ? { status: 404, body: 'not found\n' } : item(request, name)
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  metrics.requests++
  const { status, body } = await answer(request).catch((error: unknown): Answer => {
    metrics.errors++
    console.error(error instanceof Error ? error.message : error)
    return { status: 503, body: 'etcd does not answer\n' }
  })
  // An open connection would keep the process alive.
  if (isEnding) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body)
}

const server = createServer((request, response) => {
  void serve(request, response)
})

/** Answers the requests in progress. Then nothing keeps the process alive. */
function end(): void {
  if (isEnding) return
  isEnding = true
  console.log('ending')
  server.close(() => {
    client.close()
  })
  server.closeIdleConnections()
}
process.once('SIGTERM', end)
process.once('SIGINT', end)

void followRotation()
server.listen(Number(port), () => {
  const address = server.address()
  console.log(`listening on ${String(typeof address === 'object' ? address?.port : address)}`)
})
