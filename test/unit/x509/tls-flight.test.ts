/** The first flight of a server in TLS 1.2, as a client reads it off the wire. */
import { expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { flightReader, type ServerFlight } from '../../../src/x509/tls-flight.js'
import { mintCa } from '../../support/mint.js'

const [one, two] = [mintCa({ subject: 'one' }), mintCa({ subject: 'two' })]

/** A length in `octets` bytes, and what it counts. */
function counted(octets: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(octets)
  length.writeUIntBE(content.length, 0, octets)
  return Buffer.concat([length, content])
}
const message = (type: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from([type]), counted(3, body)])
const record = (content: Uint8Array, type = 22): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3]), counted(2, content)])

const hello = message(2, Buffer.alloc(70))
const certificates = message(11, counted(3, counted(3, one.der), counted(3, two.der)))
const names = counted(2, counted(2, one.subject), counted(2, two.subject))
const asked = message(13, Buffer.concat([counted(1, Buffer.from([1, 64])), counted(2, Buffer.from([4, 3])), names]))
const done = message(14, Buffer.alloc(0))
const flight = Buffer.concat([hello, certificates, asked, done])

function shown(found: ServerFlight | null | undefined): unknown {
  return (
    found && [
      found.chain?.map((der) => Certificate.parse(der).subject.commonName),
      found.authorities?.map((name) => name.commonName),
    ]
  )
}
const WHOLE = [
  ['one', 'two'],
  ['one', 'two'],
]

it('reads a flight in one record, in many, and byte by byte', () => {
  const many = Buffer.concat([flight.subarray(0, 100), flight.subarray(100)].map((part) => record(part)))
  for (const whole of [record(flight), many]) expect(shown(flightReader()(whole))).toEqual(WHOLE)
  const read = flightReader()
  const steps = [...record(flight)].map((octet) => shown(read(Uint8Array.of(octet))))
  expect(steps).toEqual([...Array<undefined>(steps.length - 1).fill(undefined), WHOLE])
})

it('reads a flight that asks for no certificate, or sends none', () => {
  const read = (...messages: Buffer[]) => flightReader()(record(Buffer.concat(messages)))
  expect(read(hello, certificates, done)).toMatchObject({ authorities: null })
  expect(read(hello, done)).toEqual({ chain: null, authorities: null })
})

it.each<[string, Buffer]>([
  ['an alert', record(Buffer.from([2, 70]), 21)],
  ['plaintext', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
  ['TLS 1.3', Buffer.concat([record(hello), record(Buffer.alloc(9), 23)])],
  ['a certificate longer than its message', record(message(11, Buffer.from([0, 0, 9, 0, 0, 200])))],
  ['a list longer than its message', record(message(13, Buffer.from([9])))],
  ['a name that is not DER', record(message(13, Buffer.from([0, 0, 0, 0, 3, 0, 1, 0x31])))],
  [
    'a message without an end',
    Buffer.concat(
      Array<Buffer>(30).fill(record(Buffer.concat([Buffer.from([11, 255, 255, 255]), Buffer.alloc(16_000)]))),
    ),
  ],
])('refuses %s', (_, bytes) => {
  expect(flightReader()(bytes)).toBeNull()
})
