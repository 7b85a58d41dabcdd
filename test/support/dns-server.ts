/** A name server on 127.0.0.1 that knows some SRV and A records and nothing else (RFC 1035, RFC 2782). */
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import type { LookupSrv } from '../../src/client/discovery.js'

interface SrvAnswer {
  readonly target: string
  readonly port: number
  readonly priority?: number
}

/** An IPv4 address, and the delay of the answer in milliseconds. */
interface AddressAnswer {
  readonly address: string
  readonly after: number
}

/** What is answered for a name: records, a response code, or nothing at all. */
export type DnsAnswer = readonly SrvAnswer[] | AddressAnswer | 'servfail' | 'silent'

const A = 1
const SRV = 33
const IN = 1
const SERVFAIL = 2
const NXDOMAIN = 3 as const

/** `lookup` asks this server, once; `asked` are the names so far. */
export async function dnsServer(zone: Readonly<Record<string, DnsAnswer>>) {
  const asked: string[] = []
  const waiting = new Set<NodeJS.Timeout>()
  const socket = createSocket('udp4', (query, { port }) => {
    const name = readName(query, 12)
    asked.push(name)
    const answer = zone[name] ?? NXDOMAIN
    if (answer === 'silent') return
    const after = typeof answer === 'object' && 'after' in answer ? answer.after : 0
    const timer = setTimeout(() => {
      waiting.delete(timer)
      socket.send(respond(query, name, answer), port, '127.0.0.1')
    }, after)
    waiting.add(timer)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const server = `127.0.0.1:${String(socket.address().port)}`
  return {
    asked,
    address: server,
    lookup: (async (record, signal) => {
      const resolver = new Resolver({ timeout: 60_000, tries: 1 })
      resolver.setServers([server])
      signal.addEventListener('abort', () => {
        resolver.cancel()
      })
      return resolver.resolveSrv(record)
    }) satisfies LookupSrv,
    [Symbol.asyncDispose]: async () => {
      for (const timer of waiting) clearTimeout(timer)
      socket.close()
      await once(socket, 'close')
    },
  }
}

type Told = Exclude<DnsAnswer, 'silent'> | typeof NXDOMAIN

function respond(query: Buffer, name: string, answer: Told): Buffer {
  const records = recordsOf(name, answer)
  const code = answer === 'servfail' ? SERVFAIL : typeof answer === 'number' ? answer : 0
  const question = query.subarray(12, 12 + writeName(name).length + 4)
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8400 | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, question, ...records])
}

function recordsOf(name: string, answer: Told): Buffer[] {
  if (typeof answer !== 'object') return []
  if ('address' in answer) return [record(name, A, Buffer.from(answer.address.split('.').map(Number)))]
  return answer.map(({ target, port, priority = 0 }) =>
    record(name, SRV, Buffer.concat([numbers(priority, 1, port), writeName(target)])),
  )
}

function record(name: string, type: number, data: Buffer): Buffer {
  return Buffer.concat([writeName(name), numbers(type, IN, 0, 60, data.length), data])
}

/** 16 bits each. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2)
  return bytes
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.alloc(1),
  ])
}

function readName(message: Buffer, at: number): string {
  const length = message[at] ?? 0
  if (length === 0) return ''
  const label = message.subarray(at + 1, at + 1 + length).toString('latin1')
  const rest = readName(message, at + 1 + length)
  return rest === '' ? label.toLowerCase() : `${label.toLowerCase()}.${rest}`
}
