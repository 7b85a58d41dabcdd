/** nginx in front of etcd: TLS with client certificates on both sides, and `grpc_pass`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Credentials } from '../../src/credentials/credentials.js'

export interface Nginx extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`. */
  readonly endpoint: string
}

/** @param upstream The endpoint of etcd, on this machine. */
export async function startNginx(upstream: string, as: { server: Credentials; client: Credentials }): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  for (const name of ['server', 'client'] as const) {
    const { chain, key, trustAnchors } = as[name]
    writeFileSync(join(folder, `${name}.crt`), chain.map((each) => each.toPem()).join(''))
    writeFileSync(join(folder, `${name}.key`), key.exportPem())
    writeFileSync(join(folder, 'ca.crt'), trustAnchors.map((each) => each.toPem()).join(''))
  }
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, upstream.replace('https:', 'grpcs:')))
  const nginx = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')])
  let log = ''
  nginx.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(nginx, 'close')
  while (!(await isOpen(port))) {
    if (nginx.exitCode !== null) throw new Error(`nginx ended: ${log}`)
    await delay(20)
  }
  return {
    endpoint: `https://127.0.0.1:${String(port)}`,
    [Symbol.asyncDispose]: async () => {
      nginx.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function configuration(folder: string, port: number, upstream: string): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  )
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${places.join(' ')}
  server {
    listen 127.0.0.1:${String(port)} ssl;
    http2 on;
    ssl_certificate ${folder}/server.crt;
    ssl_certificate_key ${folder}/server.key;
    ssl_client_certificate ${folder}/ca.crt;
    ssl_verify_client on;
    location / {
      grpc_pass ${upstream};
      grpc_read_timeout 1h;
      grpc_ssl_certificate ${folder}/client.crt;
      grpc_ssl_certificate_key ${folder}/client.key;
      grpc_ssl_trusted_certificate ${folder}/ca.crt;
      grpc_ssl_verify on;
      grpc_ssl_name localhost;
    }
  }
}
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}
