/** etcd's own proxy, `etcd grpc-proxy start`, which presents a certificate of its own to etcd. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HeldPorts } from '../../src/testing/ports.js'
import { type MintedPki, writePems } from './etcd.js'
import { startEtcdProcess } from './etcd-process.js'

export async function startGrpcProxy(
  upstream: string,
  pki: MintedPki,
): Promise<{ readonly endpoint: string; readonly close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-proxy-'))
  const held = new HeldPorts()
  const [port] = await held.take(1)
  const address = `127.0.0.1:${String(port)}`
  const own = writePems(folder, 'server', pki.server)
  // It refuses to start with a certificate that has a common name.
  const client = writePems(folder, 'client', pki.issueClient({ subject: [['O', 'proxy']] }))
  const args = {
    ...{ 'listen-addr': address, 'advertise-client-url': address, endpoints: upstream },
    ...{ 'cert-file': own.cert, 'key-file': own.key, 'trusted-ca-file': own.ca },
    ...{ cert: client.cert, key: client.key, cacert: client.ca },
  }
  const flags = Object.entries(args).map(([name, value]) => `--${name}=${value}`)
  const proxy = startEtcdProcess(['grpc-proxy', 'start', ...flags], { cwd: folder })
  const close = async (): Promise<void> => {
    await proxy.stop()
    held.release()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await proxy.says((log) => log.includes('started gRPC proxy') || log.includes('gRPC proxy listening'))
  } catch (error) {
    await close()
    throw error
  }
  return { endpoint: `https://${address}`, close }
}
