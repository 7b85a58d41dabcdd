/** Mutations of subjects, of subject alternative names, and of name constraints. */
import { nullValue, oid, sequence, setOf, tlv } from './der-writer.js'
import {
  directoryName,
  dns,
  email,
  encodeAttribute,
  EXTENSION,
  type GeneralName,
  ip,
  ipBytes,
  ipRange,
  type Name,
  nameConstraints,
  otherName,
  rawName,
  registeredId,
  subjectAltName,
  TAG,
  uri,
} from './mint.js'
import {
  carries,
  CAS,
  EVERY,
  HOST,
  LEAF,
  type Mutation,
  OWN_NAMES,
  plans,
  type Role,
  set,
  sets,
  SHOWN,
} from './mutation.js'

const called = (name: string, subject: Name, on: readonly Role[] = EVERY): Mutation =>
  sets(`subject: ${name}`, { subject }, on)
const commonName = (name: string, value: string, tag: number): Mutation => called(name, [['CN', value, tag]])
const commonNameOf = (value: Buffer): Buffer => sequence(setOf(sequence(oid('2.5.4.3'), value)))

function issuerAs(name: string, change: (text: string) => string, tag: number = TAG.utf8String): Mutation {
  return sets(
    `the issuer ${name}`,
    (role) => ({ issuerName: [['CN', change(role === 'leaf' ? 'Intermediate' : 'Root'), tag]] }),
    SHOWN,
  )
}

const subjects: readonly Mutation[] = [
  called('empty', ''),
  commonName('PrintableString', 'etcd', TAG.printableString),
  commonName('PrintableString with an @', 'a@b', TAG.printableString),
  called('UTF8String that is no UTF-8', commonNameOf(tlv(TAG.utf8String, Buffer.from([0xff])))),
  commonName('IA5String with an accent', 'é', TAG.ia5String),
  commonName('BMPString', 'etcd', TAG.bmpString),
  commonName('TeletexString', 'etcd', TAG.teletexString),
  commonName('UniversalString', 'etcd', TAG.universalString),
  called('an integer', commonNameOf(tlv(TAG.integer, Buffer.from([1])))),
  commonName('a NUL inside', 'et\0cd', TAG.utf8String),
  called(
    'two attributes in one part',
    sequence(setOf(encodeAttribute(['CN', 'etcd']), encodeAttribute(['O', 'Acme']))),
  ),
  called('a part without attributes', sequence(setOf())),
  called('no sequence', tlv(TAG.octetString, Buffer.from('etcd'))),
  called('root, the user of etcd', 'root', LEAF),
  issuerAs('in other case', (text) => text.toUpperCase()),
  issuerAs('as another kind of string', (text) => text, TAG.printableString),
  issuerAs('with a space that does not break', (text) => `\u00a0${text}`),
  issuerAs('with more white space', (text) => ` ${text}  `),
  sets('another issuer', { issuerName: 'Nobody' }, SHOWN),
  sets('an empty issuer', { issuerName: '' }, SHOWN),
]

const SAN = EXTENSION.subjectAltName
const named = (name: string, ...list: GeneralName[]): Mutation => carries(`names: ${name}`, subjectAltName(list), LEAF)
/** Next to the host and address. */
const alsoNamed = (name: string, ...list: GeneralName[]): Mutation => named(name, ...OWN_NAMES, ...list)

/** The server is reached by its address. */
function address(name: string, ...list: GeneralName[]): Mutation {
  return plans(`reached by address, names: ${name}`, LEAF, (plan, role) => {
    plan.host = '127.0.0.1'
    if (list.length === 0) set(plan, role, { subject: '127.0.0.1', without: [SAN] })
    else set(plan, role, { extensions: [subjectAltName(list)] })
  })
}

const alternativeNames: readonly Mutation[] = [
  sets('names: none', { without: [SAN] }, LEAF),
  sets('names: none, the host in the common name', { subject: HOST, without: [SAN] }, LEAF),
  sets('names: another, the host in the common name', { subject: HOST, names: [dns('other.etcd.svc')] }, LEAF),
  named('an empty list'),
  carries('names: no list', { oid: SAN, value: nullValue() }, LEAF),
  named('another host', dns('etcd-1.etcd.svc')),
  named('a domain above', dns('etcd.svc')),
  named('a domain below', dns(`a.${HOST}`)),
  named('in capital letters', dns(HOST.toUpperCase())),
  named('with a trailing dot', dns(`${HOST}.`)),
  named('with a leading dot', dns(`.${HOST}`)),
  named('wildcard', dns('*.etcd.svc')),
  named('wildcard over two labels', dns('*.svc')),
  named('wildcard in part of a label', dns('etcd-*.etcd.svc')),
  named('wildcard not leftmost', dns('etcd-0.*.svc')),
  named('nothing but a wildcard', dns('*')),
  named('wildcard twice', dns('*.*.svc')),
  named('the host as e-mail and URI', email(`a@${HOST}`), uri(`https://${HOST}/`)),
  alsoNamed('empty', dns('')),
  alsoNamed('with a space', dns('a b')),
  named('with a NUL', dns(`${HOST}\0.example`)),
  alsoNamed('with an underscore', dns('a_b.svc')),
  alsoNamed('with an accent', dns('é.svc')),
  named('an address as DNS name', dns(HOST), dns('127.0.0.1')),
  alsoNamed('an address of five bytes', ipBytes(Buffer.alloc(5, 1))),
  alsoNamed('an address of none', ipBytes(Buffer.alloc(0))),
  alsoNamed('a URI that is none', uri('http://[bad/%zz')),
  alsoNamed('a SPIFFE id', uri('spiffe://cluster/etcd')),
  alsoNamed('an e-mail address that is none', email('nobody')),
  alsoNamed('all other kinds', directoryName('x'), registeredId('1.2.3'), otherName('1.2.3', nullValue())),
  alsoNamed('of a kind that does not exist', rawName(0x8a, Buffer.from('x'))),
  carries('names: critical', subjectAltName(OWN_NAMES, true), LEAF),
  carries('names: critical, of a kind that Go does not know', subjectAltName([directoryName('x')], true), CAS),
  sets('names: not critical, no subject', { subject: '' }, LEAF),
  sets('names: critical, no subject', { subject: '', extensions: [subjectAltName(OWN_NAMES, true)] }, LEAF),
  address('an address', ip('127.0.0.1')),
  address('an address, another one', ip('127.0.0.2')),
  address('an address as DNS name only', dns('127.0.0.1')),
  address('an address mapped into IPv6', ip('::ffff:127.0.0.1')),
  address('an address in the common name only'),
]

type Subtrees = Parameters<typeof nameConstraints>[0]

/** A CA with these constraints, and a leaf with these names next to its own. */
function constrains(
  name: string,
  subtrees: Subtrees,
  names: readonly GeneralName[],
  { fault, critical = true }: { fault?: Role; critical?: boolean } = {},
): Mutation {
  const apply: Mutation['apply'] = (plan, role) => {
    set(plan, role, { extensions: [nameConstraints(subtrees, critical)] })
    if (names.length > 0) set(plan, 'leaf', { extensions: [subjectAltName([...OWN_NAMES, ...names])] })
  }
  return plans(`constraints: ${name}`, CAS, apply, fault)
}

const within = (name: string, subtrees: Subtrees, ...names: GeneralName[]): Mutation =>
  constrains(name, subtrees, names)
/** What the CA says is in order; the leaf goes beyond it. */
const beyond = (name: string, subtrees: Subtrees, ...names: GeneralName[]): Mutation =>
  constrains(name, subtrees, names, { fault: 'leaf' })
const beyondNotCritical = (name: string, subtrees: Subtrees, ...names: GeneralName[]): Mutation =>
  constrains(`${name}, not critical`, subtrees, names, { fault: 'leaf', critical: false })

/** The host is in the common name alone, where Node and OpenSSL look for it, and beyond the CA's constraints. */
function commonNameBeyond(name: string, subtrees: Subtrees): Mutation {
  return plans(`constraints: ${name}, for the common name`, LEAF, (plan) => {
    set(plan, 'intermediate', { extensions: [nameConstraints(subtrees)] })
    set(plan, 'leaf', { subject: HOST, extensions: [subjectAltName([ip('127.0.0.1')])] })
  })
}

const LOOPBACK = ipRange('127.0.0.0/8')
const RANGE_WITH_GAPS = ipBytes(Buffer.from([127, 0, 0, 0, 255, 0, 255, 0]))
const OTHER = otherName('1.2.3', nullValue())
const acme = { permitted: [directoryName([['O', 'Acme']])] }
const otherZone = { excluded: [dns('example')] }
const mailbox = { permitted: [email('example.com')] }
const host = { permitted: [uri('.example.com')] }
const raw = (name: string, value: Buffer, critical = false): Mutation =>
  carries(`constraints: ${name}`, { oid: EXTENSION.nameConstraints, critical, value }, CAS)

const constraints: readonly Mutation[] = [
  within('the host permitted', { permitted: [dns(HOST), LOOPBACK] }),
  within('the zone permitted', { permitted: [dns('svc'), LOOPBACK] }),
  beyond('another zone permitted', { permitted: [dns('example')] }),
  beyond('the zone excluded', { excluded: [dns('svc')] }),
  within('another zone excluded', otherZone),
  beyond('permitted and excluded', { permitted: [dns('svc')], excluded: [dns(HOST)] }),
  beyond('every DNS name excluded', { excluded: [dns('')] }),
  beyond('another range permitted', { permitted: [ipRange('10.0.0.0/8')] }),
  beyond('the range excluded', { excluded: [LOOPBACK] }),
  beyond('IPv6 permitted', { permitted: [ipRange('::/0')] }),
  within('e-mail of another host permitted', mailbox),
  beyond('an e-mail address beyond', mailbox, email('a@example.org')),
  within('an e-mail address within', { permitted: [email('.example.com')] }, email('a@b.example.com')),
  beyond('an e-mail address that is none', mailbox, email('nobody')),
  beyond('another zone excluded, and a mailbox that is none', otherZone, email('nobody')),
  beyond('another range excluded, and a DNS name with a space', { excluded: [ipRange('10.0.0.0/8')] }, dns('a b')),
  beyond('a URI beyond', host, uri('https://example.org/')),
  within('a URI within', host, uri('https://a.example.com/')),
  beyond('a URI without a host', host, uri('urn:a:b')),
  beyond('a URI with an address', host, uri('https://10.0.0.1/')),
  beyond('another directory name permitted', acme),
  within('the subject permitted', { permitted: [directoryName('etcd-0'), directoryName('Intermediate')] }),
  beyond('the subject excluded', { excluded: [directoryName('etcd-0')] }),
  within('another name of a kind that is not compared', { permitted: [registeredId('1.2.3')] }),
  beyond('a name of a kind that is not compared', { excluded: [OTHER] }, OTHER),
  beyond('a URI below a host that is excluded', { excluded: [uri('example.com')] }, uri('https://a.example.com/')),
  beyond('a mailbox that begins with a dot', { excluded: [email('example.com')] }, email('.etcd@example.org')),
  plans('constraints: a name of a self-issued CA beyond', ['intermediate'], (plan) => {
    set(plan, 'root', { extensions: [nameConstraints({ excluded: [dns('example.com')] })] })
    set(plan, 'intermediate', { subject: 'Root', extensions: [subjectAltName([dns('ca.example.com')])] })
  }),
  beyondNotCritical('the subject excluded', { excluded: [directoryName('etcd-0')] }),
  beyondNotCritical('another directory name permitted', acme),
  beyondNotCritical('a name of a kind that is not compared', { excluded: [OTHER] }, OTHER),
  beyond('another zone excluded, and a DNS name with a space', otherZone, dns('a b')),
  beyond('a host that a wildcard stands for excluded', { excluded: [dns('a.example.com')] }, dns('*.example.com')),
  within('every mailbox permitted', { permitted: [email('')] }),
  beyond('a mailbox with an escape', { excluded: [email('example.com')] }, email('et\\@cd@example.org')),
  within('a DNS name with a leading dot', { permitted: [dns('.svc'), LOOPBACK] }),
  within('a DNS name with a wildcard', { permitted: [dns('*.svc')] }),
  within('a DNS name with a space', { permitted: [dns('a b')] }),
  within('a mask with gaps', { permitted: [RANGE_WITH_GAPS] }),
  within('a range of five bytes', { permitted: [ipBytes(Buffer.alloc(5))] }),
  within('an e-mail address without mailbox', { permitted: [email('@example.com')] }),
  within('nothing', {}),
  within('empty lists', { permitted: [], excluded: [] }),
  commonNameBeyond('another zone permitted', { permitted: [dns('example')] }),
  commonNameBeyond('the zone excluded', { excluded: [dns('svc')] }),
  constrains('not critical', { permitted: [dns('svc'), LOOPBACK] }, [], { critical: false }),
  carries('constraints: on the leaf', nameConstraints({ permitted: [dns('svc')] }), LEAF),
  raw('no list', nullValue()),
  raw('with a minimum', sequence(tlv(0xa0, sequence(dns('svc'), tlv(0x80, Buffer.from([1]))))), true),
]

export const nameMutations: readonly Mutation[] = [...subjects, ...alternativeNames, ...constraints]
