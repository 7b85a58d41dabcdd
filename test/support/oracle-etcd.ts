/** etcd as an oracle: whether it accepts a connection, the message in its log, and the message of Node. */
import { setTimeout } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { TestEtcd } from '../../src/testing/index.js'
import { refusalOn } from './https.js'
import { chainPem, type Minted } from './mint.js'
import { codeOf, SHOW_ANYTHING, wordsOf } from './oracle-node.js'

/** The certificates that a client sends. */
export interface Shown {
  readonly leaf: Minted
  readonly sent?: readonly Minted[]
}

export interface EtcdResult {
  readonly accepts: boolean
  /** The field `error` of etcd's line about the connection. */
  readonly log: string
  /** The error that Node's client had; empty if etcd closed without an alert. */
  readonly error: string
}

/** How long etcd may take to write its line, in milliseconds. */
const LINE_TIMEOUT = 30_000

/** Connects to etcd; null if Node cannot show the certificate. `options` go to Node's `connect`. */
export async function askEtcd(
  etcd: TestEtcd,
  shown: Shown | null,
  options: ConnectionOptions = {},
): Promise<EtcdResult | null> {
  const before = etcd.logs().length
  const socket = open(etcd.port, shown, options)
  if (socket === null) return null
  // Known from the first moment on, and only while the connection stands.
  let localPort: number | undefined
  socket.once('connect', () => {
    localPort = socket.localPort
  })
  const refusal = await refusalOn(socket)
  socket.destroy()
  if (refusal === null) return { accepts: true, log: '', error: '' }
  const first = refusal.error === null ? '' : wordsOf(refusal.error)
  if (localPort === undefined) throw new Error(`etcd was not reached: ${first}`)
  const line = await lineAbout(localPort, etcd, before)
  return { accepts: false, log: (JSON.parse(line) as { error: string }).error, error: first }
}

/** etcd's line about a connection from this port. An earlier connection may have had the same one: `before` are old lines. */
async function lineAbout(port: number, etcd: TestEtcd, before: number): Promise<string> {
  const address = `"remote-addr":"127.0.0.1:${String(port)}"`
  const deadline = Date.now() + LINE_TIMEOUT
  while (Date.now() < deadline) {
    const lines = etcd.logs().slice(before)
    const line = lines.find((each) => each.includes('rejected connection') && each.includes(address))
    if (line !== undefined) return line
    await setTimeout(5)
  }
  throw new Error(`etcd wrote no line about the connection from port ${String(port)}`)
}

function open(port: number, shown: Shown | null, options: ConnectionOptions): TLSSocket | null {
  const chain = shown === null ? {} : { cert: chainPem(shown.leaf, ...(shown.sent ?? [])), key: shown.leaf.keyPem }
  try {
    return connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      ciphers: SHOW_ANYTHING,
      ...chain,
      ...options,
    })
  } catch (error) {
    if (codeOf(error).startsWith('ERR_')) return null
    throw error
  }
}
