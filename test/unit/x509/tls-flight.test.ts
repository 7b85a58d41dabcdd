import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { flightReader, type ServerFlight } from '../../../src/x509/tls-flight.js'
import { mintCa } from '../../support/mint.js'

const [one, two] = [mintCa({ subject: 'one' }), mintCa({ subject: 'two' })]

/** A length in so many bytes, and what it counts. */
function counted(octets: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(octets)
  length.writeUIntBE(content.length, 0, octets)
  return Buffer.concat([length, content])
}

function message(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type]), counted(3, body)])
}

function record(content: Uint8Array, type = 22): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3]), counted(2, content)])
}

const hello = message(2, Buffer.alloc(70))
const certificates = message(11, counted(3, counted(3, one.der), counted(3, two.der)))
const asked = message(
  13,
  Buffer.concat([
    counted(1, Buffer.from([1, 64])),
    counted(2, Buffer.from([4, 3])),
    counted(2, counted(2, one.subject), counted(2, two.subject)),
  ]),
)
const done = message(14, Buffer.alloc(0))
const flight = Buffer.concat([hello, certificates, asked, done])

function shown(found: ServerFlight | null | undefined): unknown {
  if (found === null || found === undefined) return found
  return {
    chain: found.chain?.map((der) => Certificate.parse(der).subject.commonName),
    authorities: found.authorities?.map((name) => name.commonName),
  }
}

const WHOLE = { chain: ['one', 'two'], authorities: ['one', 'two'] }

describe('flightReader', () => {
  it('a flight in one record, in a record for each message, and octet by octet', () => {
    expect(shown(flightReader()(record(flight)))).toEqual(WHOLE)
    const each = Buffer.concat([hello, certificates, asked, done].map((part) => record(part)))
    expect(shown(flightReader()(each))).toEqual(WHOLE)
    const read = flightReader()
    const octets = [...record(flight)].map((octet) => shown(read(Uint8Array.of(octet))))
    expect(octets.slice(0, -1).every((found) => found === undefined)).toBe(true)
    expect(octets.at(-1)).toEqual(WHOLE)
  })

  it('a message over several records', () => {
    const [head, tail] = [flight.subarray(0, 100), flight.subarray(100)]
    expect(shown(flightReader()(Buffer.concat([record(head), record(tail)])))).toEqual(WHOLE)
  })

  it('no certificate asked for, or none sent', () => {
    const read = (...messages: Buffer[]) => flightReader()(record(Buffer.concat(messages)))
    expect(read(hello, certificates, done)).toMatchObject({ authorities: null })
    expect(read(hello, done)).toEqual({ chain: null, authorities: null })
  })

  it('what is no such flight: an alert, plaintext, TLS 1.3, lengths that lie, more than a server sends', () => {
    expect(flightReader()(record(Buffer.from([2, 70]), 21))).toBeNull()
    expect(flightReader()(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toBeNull()
    expect(flightReader()(Buffer.concat([record(hello), record(Buffer.alloc(9), 23)]))).toBeNull()
    expect(flightReader()(record(message(11, Buffer.from([0, 0, 9, 0, 0, 200]))))).toBeNull()
    expect(flightReader()(record(message(13, Buffer.from([9]))))).toBeNull()
    expect(flightReader()(record(message(13, Buffer.from([0, 0, 0, 0, 3, 0, 1, 0x31]))))).toBeNull()
    const read = flightReader()
    const endless = record(Buffer.concat([Buffer.from([11, 0xff, 0xff, 0xff]), Buffer.alloc(16_000)]))
    let found: unknown
    for (let i = 0; i < 30 && found === undefined; i += 1) found = read(endless)
    expect(found).toBeNull()
  })
})
