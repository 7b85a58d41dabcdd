/** Mutations of the form of a certificate: dates, serial number, version, encoding. */
import { generalizedTime, nullValue, sequence, utcTime } from './der-writer.js'
import { rawTime, TAG } from './mint.js'
import { elementsOf, type Mutation, sets, SHOWN } from './mutation.js'

const DAY = 86_400_000
const inDays = (days: number): Date => new Date(Date.now() + days * DAY)

const dates: readonly Mutation[] = [
  sets('expired', () => ({ notBefore: inDays(-9), notAfter: inDays(-1) })),
  sets('not yet valid', () => ({ notBefore: inDays(1) })),
  sets('ends before it begins', () => ({ notBefore: inDays(-1), notAfter: inDays(-2) })),
  sets('valid for ever', () => ({ notAfter: generalizedTime('99991231235959Z') })),
  sets('a leaf of three years', () => ({ notBefore: inDays(-1), notAfter: inDays(1100) }), ['leaf']),
  sets('valid since 1950', () => ({ notBefore: utcTime('500101000000Z') })),
  sets('a date before 2050 as GeneralizedTime', () => ({ notBefore: generalizedTime('20200101000000Z') })),
  sets('a date without seconds', () => ({ notBefore: rawTime(TAG.utcTime, '2001010000Z') })),
  sets('a date with an offset', () => ({ notBefore: rawTime(TAG.utcTime, '200101000000+0100') })),
  sets('a date with a fraction', () => ({ notBefore: rawTime(TAG.generalizedTime, '20200101000000.5Z') })),
  sets('a date that does not exist', () => ({ notBefore: rawTime(TAG.utcTime, '200230000000Z') })),
  sets('a date that is no time', () => ({ notBefore: rawTime(TAG.utf8String, '200101000000Z') })),
]

const numbers: readonly Mutation[] = [
  sets('serial number negative', () => ({ serial: -5n })),
  sets('serial number zero', () => ({ serial: 0 })),
  sets('serial number of 21 octets', () => ({ serial: Buffer.alloc(21, 0x11) })),
  sets('serial number with a needless zero', () => ({ serial: Buffer.from([0, 0, 5]) })),
  sets('serial number empty', () => ({ serial: Buffer.alloc(0) })),
  sets('version 1 with extensions', () => ({ version: null })),
  sets('version 1 written out', () => ({ version: 0, tamperTbs: withoutExtensions })),
  sets('version 1 without extensions', () => ({ version: null, tamperTbs: withoutExtensions })),
  sets('version 2', () => ({ version: 1, tamperTbs: withoutExtensions })),
  sets('version 4', () => ({ version: 3 })),
  sets('unique identifiers', () => ({ issuerUniqueId: Buffer.from([1]), subjectUniqueId: Buffer.from([2]) })),
]

/** The signed part without its last element, which is the extensions'. */
function withoutExtensions(tbs: Buffer): Buffer {
  const elements = elementsOf(tbs)
  return sequence(...elements.slice(0, -1))
}

const encodings: readonly Mutation[] = [
  sets('bytes after the certificate', () => ({ tamper: (der) => Buffer.concat([der, Buffer.from([0])]) }), SHOWN),
  sets('cut short', () => ({ tamper: (der) => der.subarray(0, -7) })),
  sets('no certificate at all', () => ({ tamper: () => Buffer.from('this is not a certificate') })),
  sets('a length in more octets than needed', () => ({
    tamperTbs: (tbs) => Buffer.concat([Buffer.from([0x30, 0x83, 0]), tbs.subarray(2)]),
  })),
  sets('a fourth element', () => ({ tamper: (der) => sequence(...elementsOf(der), nullValue()) })),
  sets('an element after the extensions', () => ({ tamperTbs: (tbs) => sequence(...elementsOf(tbs), nullValue()) })),
  sets('extensions twice', () => ({
    tamperTbs: (tbs) => sequence(...elementsOf(tbs), elementsOf(tbs).at(-1) ?? nullValue()),
  })),
  sets('no validity', () => ({ tamperTbs: (tbs) => sequence(...elementsOf(tbs).filter((_, i) => i !== 4)) })),
]

export const formMutations: readonly Mutation[] = [...dates, ...numbers, ...encodings]
