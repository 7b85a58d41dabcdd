/** The first flight of a server, as a client reads it off the wire. */
import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { FlightReader } from '../../../src/x509/tls-flight.js'
import { mintCa } from '../../support/mint.js'

const [one, two] = [mintCa({ subject: 'one' }), mintCa({ subject: 'two' })]

/** A length in so many bytes, and what it counts. */
function counted(bytes: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(bytes)
  length.writeUIntBE(content.length, 0, bytes)
  return Buffer.concat([length, content])
}
const message = (type: number, ...parts: Uint8Array[]): Buffer =>
  Buffer.concat([Buffer.from([type]), counted(3, ...parts)])
const record = (content: Uint8Array, type = 22): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3]), counted(2, content)])
const extension = (type: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0, type]), counted(2, content)])

function helloOf(suite: number, version: number, random: Uint8Array = Buffer.alloc(32)): Buffer {
  const versions = version === 0x0304 ? [extension(43, Buffer.from([3, 4]))] : []
  const chosen = Buffer.from([suite >> 8, suite & 0xff, 0])
  return message(2, Buffer.from([3, 3]), random, counted(1), chosen, counted(2, ...versions))
}

const hello = helloOf(0xc02b, 0x0303)
const certificates = message(11, counted(3, counted(3, one.der), counted(3, two.der)))
const names = counted(2, counted(2, one.subject), counted(2, two.subject))
const request = message(13, counted(1, Buffer.from([1, 64])), counted(2, Buffer.from([4, 3])), names)
const done = message(14)
const flight = Buffer.concat([hello, certificates, request, done])

/** A flight of TLS 1.3, encrypted with a secret that the key log has. */
function encryptedFlight(suite: 0x1301 | 0x1302 | 0x1303, ...messages: Buffer[]): { bytes: Buffer; keyLog: Buffer } {
  const cipher = ({ 0x1301: 'aes-128-gcm', 0x1302: 'aes-256-gcm', 0x1303: 'chacha20-poly1305' } as const)[suite]
  const hash = suite === 0x1302 ? 'sha384' : 'sha256'
  const secret = randomBytes(suite === 0x1302 ? 48 : 32)
  const expand = (label: string, length: number): Buffer => {
    const info = Buffer.concat([
      Buffer.from([0, length]),
      counted(1, Buffer.from(`tls13 ${label}`)),
      Buffer.from([0, 1]),
    ])
    return createHmac(hash, secret).update(info).digest().subarray(0, length)
  }
  const records = messages.map((content, sequence) => {
    const nonce = expand('iv', 12)
    nonce[11] = (nonce[11] ?? 0) ^ sequence
    const header = Buffer.concat([Buffer.from([23, 3, 3]), Buffer.alloc(2)])
    header.writeUInt16BE(content.length + 1 + 3 + 16, 3)
    const key = expand('key', suite === 0x1301 ? 16 : 32)
    const encryption = createCipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength: 16 }).setAAD(header)
    // The content, its type, and three bytes of padding.
    const body = [encryption.update(Buffer.concat([content, Buffer.from([22, 0, 0, 0])])), encryption.final()]
    return Buffer.concat([header, ...body, encryption.getAuthTag()])
  })
  const bytes = Buffer.concat([record(helloOf(suite, 0x0304)), record(Buffer.from([1]), 20), ...records])
  const keyLog = Buffer.from(`SERVER_HANDSHAKE_TRAFFIC_SECRET ${'00'.repeat(32)} ${secret.toString('hex')}\n`)
  return { bytes, keyLog }
}

const encryptedExtensions = message(8, counted(2))
const encryptedRequest = message(13, counted(1), counted(2, extension(47, names)))
const encryptedChain = message(
  11,
  counted(1),
  counted(3, ...[one, two].flatMap(({ der }) => [counted(3, der), counted(2)])),
)
const finished = message(20, Buffer.alloc(32))
const WHOLE_NEW = [encryptedExtensions, encryptedRequest, encryptedChain, message(15, Buffer.alloc(70)), finished]

function shown({ protocol, chain, authorities, isComplete }: FlightReader): unknown {
  return {
    protocol,
    chain: chain?.map((der) => Certificate.parse(der).subject.commonName) ?? null,
    authorities: authorities?.map((name) => name.commonName) ?? null,
    isComplete,
  }
}
const WHOLE = { protocol: 'TLSv1.2', chain: ['one', 'two'], authorities: ['one', 'two'], isComplete: true }

function readAll(bytes: Uint8Array, keyLog?: Uint8Array): FlightReader {
  const reader = new FlightReader()
  reader.push(bytes)
  if (keyLog !== undefined) reader.useKeyLog(keyLog)
  return reader
}

it('reads a flight of TLS 1.2 in one record, in several, and byte by byte', () => {
  const many = Buffer.concat([flight.subarray(0, 100), flight.subarray(100)].map((part) => record(part)))
  for (const whole of [record(flight), many]) expect(shown(readAll(whole))).toEqual(WHOLE)
  const reader = new FlightReader()
  const complete = [...record(flight)].map((byte) => {
    reader.push(Uint8Array.of(byte))
    return reader.isComplete
  })
  expect(complete.indexOf(true)).toBe(complete.length - 1)
  expect(shown(reader)).toEqual(WHOLE)
})

it('reads a flight that does not request a certificate, or sends none', () => {
  const read = (...messages: Buffer[]): FlightReader => readAll(record(Buffer.concat(messages)))
  expect(read(hello, certificates, done)).toMatchObject({ authorities: null, isComplete: true })
  expect(read(hello, done)).toMatchObject({ chain: null, authorities: null, isComplete: true })
})

describe('a flight of TLS 1.3', () => {
  it.each([0x1301, 0x1302, 0x1303] as const)(
    'The reader decrypts a flight with cipher suite %i and the secret of the key log',
    (suite) => {
      const { bytes, keyLog } = encryptedFlight(suite, ...WHOLE_NEW)
      expect(shown(readAll(bytes, keyLog))).toEqual({ ...WHOLE, protocol: 'TLSv1.3' })
    },
  )

  it('The reader takes a flight byte by byte, in one record, and if the secret comes first', () => {
    const { bytes, keyLog } = encryptedFlight(0x1301, Buffer.concat(WHOLE_NEW))
    const reader = new FlightReader()
    reader.useKeyLog(Buffer.from('CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 11\n'))
    reader.useKeyLog(keyLog)
    for (const byte of bytes) reader.push(Uint8Array.of(byte))
    expect(shown(reader)).toEqual({ ...WHOLE, protocol: 'TLSv1.3' })
  })

  it('The list of CAs is empty if the request has none, and null without a request', () => {
    const open = encryptedFlight(0x1302, encryptedExtensions, encryptedChain, finished)
    expect(readAll(open.bytes, open.keyLog)).toMatchObject({ authorities: null, isComplete: true })
    const anyCa = encryptedFlight(0x1302, message(13, counted(1), counted(2)), encryptedChain, finished)
    expect(readAll(anyCa.bytes, anyCa.keyLog)).toMatchObject({ authorities: [], isComplete: true })
  })

  it('The reader takes a flight after a HelloRetryRequest', () => {
    const { bytes, keyLog } = encryptedFlight(0x1301, ...WHOLE_NEW)
    const random = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')
    const retry = Buffer.concat([record(helloOf(0x1301, 0x0304, random)), record(Buffer.from([1]), 20)])
    expect(shown(readAll(Buffer.concat([retry, bytes]), keyLog))).toEqual({ ...WHOLE, protocol: 'TLSv1.3' })
  })

  it('The reader waits for the secret of a flight, and keeps its version', () => {
    const { bytes } = encryptedFlight(0x1301, ...WHOLE_NEW)
    expect(readAll(bytes)).toMatchObject({ protocol: 'TLSv1.3', chain: null, isComplete: false, isUnreadable: false })
  })

  it('A flight is unreadable with a wrong secret, in the wrong order, and if it is not a handshake', () => {
    const { bytes, keyLog } = encryptedFlight(0x1303, ...WHOLE_NEW)
    const wrong = Buffer.from(`SERVER_HANDSHAKE_TRAFFIC_SECRET 00 ${'11'.repeat(32)}`)
    expect(readAll(bytes, wrong)).toMatchObject({ protocol: 'TLSv1.3', isUnreadable: true })
    expect(readAll(Buffer.concat([bytes.subarray(0, 60), bytes.subarray(80)]), keyLog).isUnreadable).toBe(true)
    expect(readAll(bytes, Buffer.from('SERVER_HANDSHAKE_TRAFFIC_SECRET')).isUnreadable).toBe(true)
  })
})

it('The reader keeps the messages before the bytes that it cannot read', () => {
  const reader = readAll(
    Buffer.concat([record(Buffer.concat([hello, certificates])), record(Buffer.from([2, 40]), 21)]),
  )
  expect(shown(reader)).toEqual({ ...WHOLE, authorities: null, isComplete: false })
  expect(reader.isUnreadable).toBe(true)
})

const listOf = (count: number): Buffer =>
  message(13, counted(1), counted(2), counted(2, ...Array<Buffer>(count).fill(counted(2, Buffer.from([0x30, 0])))))

it.each<[string, Buffer]>([
  ['an alert', record(Buffer.from([2, 70]), 21)],
  ['plaintext', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
  ['TLS 1.1', record(Buffer.concat([message(2, Buffer.from([3, 2]), Buffer.alloc(68))]))],
  ['TLS 1.3 with a cipher suite that Node does not offer', record(helloOf(0x1304, 0x0304))],
  ['an encrypted record before the ServerHello', record(Buffer.alloc(40), 23)],
  ['a record that is too long', Buffer.from([22, 3, 3, 0xff, 0xff])],
  ['a certificate longer than its message', record(message(11, Buffer.from([0, 0, 9, 0, 0, 200])))],
  ['a list longer than its message', record(message(13, Buffer.from([9])))],
  ['a name that is not DER', record(message(13, Buffer.from([0, 0, 0, 0, 3, 0, 1, 0x31])))],
  ['more names than a client should read', record(listOf(2001))],
  ['more records than a flight has', Buffer.concat(Array<Buffer>(1001).fill(record(Buffer.alloc(0))))],
  [
    'a message without an end',
    Buffer.concat(
      Array<Buffer>(30).fill(record(Buffer.concat([Buffer.from([11, 255, 255, 255]), Buffer.alloc(16_000)]))),
    ),
  ],
])('does not read %s', (_, bytes) => {
  expect(readAll(bytes)).toMatchObject({ isComplete: false, isUnreadable: true })
})

it('never throws, whatever bytes and secrets come', () => {
  const { bytes, keyLog } = encryptedFlight(0x1301, ...WHOLE_NEW)
  for (let i = 0; i < 2000; i += 1) {
    const whole = Buffer.from(i % 2 === 0 ? bytes : record(flight))
    for (let flips = 0; flips <= i % 4; flips += 1) {
      const at = (i * 7919 + flips * 104_729) % whole.length
      whole[at] = (whole[at] ?? 0) ^ (1 << (i % 8))
    }
    expect(readAll(whole, keyLog).isReading).toBeTypeOf('boolean')
  }
})
