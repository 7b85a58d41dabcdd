/** Mutations of subjects, of subject alternative names, and of name constraints. */
import { oid, sequence, setOf, tlv } from './der-writer.js'
import {
  directoryName,
  dns,
  email,
  encodeAttribute,
  type GeneralName,
  ip,
  ipBytes,
  ipRange,
  EXTENSION,
  type Name,
  nameConstraints,
  otherName,
  rawName,
  registeredId,
  subjectAltName,
  TAG,
  uri,
} from './mint.js'
import { CAS, EVERY, HOST, type Mutation, type Plan, type Role, set, sets, SHOWN } from './mutation.js'

const NULL = Buffer.from('0500', 'hex')
const RANGE_WITH_GAPS = ipBytes(Buffer.from([127, 0, 0, 0, 255, 0, 255, 0]))

function called(name: string, subject: Name, on: readonly Role[] = EVERY): Mutation {
  return sets(`subject: ${name}`, () => ({ subject }), on)
}

const subjects: readonly Mutation[] = [
  called('empty', ''),
  called('PrintableString', [['CN', 'etcd', TAG.printableString]]),
  called('PrintableString with an @', [['CN', 'a@b', TAG.printableString]]),
  called(
    'UTF8String that is no UTF-8',
    sequence(setOf(sequence(oid('2.5.4.3'), tlv(TAG.utf8String, Buffer.from([0xff]))))),
  ),
  called('IA5String with an accent', [['CN', 'é', TAG.ia5String]]),
  called('BMPString', [['CN', 'etcd', TAG.bmpString]]),
  called('TeletexString', [['CN', 'etcd', TAG.teletexString]]),
  called('UniversalString', [['CN', 'etcd', TAG.universalString]]),
  called('an integer', sequence(setOf(sequence(oid('2.5.4.3'), tlv(TAG.integer, Buffer.from([1])))))),
  called('a NUL inside', [['CN', 'et\0cd']]),
  called(
    'two attributes in one part',
    sequence(setOf(encodeAttribute(['CN', 'etcd']), encodeAttribute(['O', 'Acme']))),
  ),
  called('a part without attributes', sequence(setOf())),
  called('no sequence', tlv(TAG.octetString, Buffer.from('etcd'))),
  called('root, the user of etcd', 'root', ['leaf']),
  issuerAs('the issuer in other case', (text) => text.toUpperCase()),
  issuerAs('the issuer as another kind of string', (text) => text, TAG.printableString),
  issuerAs('the issuer with more white space', (text) => ` ${text}  `),
  sets('another issuer', () => ({ issuerName: 'Nobody' }), SHOWN),
  sets('an empty issuer', () => ({ issuerName: '' }), SHOWN),
]

function issuerAs(name: string, change: (text: string) => string, tag: number = TAG.utf8String): Mutation {
  return {
    name,
    on: SHOWN,
    apply: (plan, role) => {
      const text = change(role === 'leaf' ? 'Intermediate' : 'Root')
      set(plan, role, { issuerName: [['CN', text, tag]] })
    },
  }
}

function names(name: string, list: readonly GeneralName[], critical = false): Mutation {
  return sets(`names: ${name}`, () => ({ extensions: [subjectAltName(list, critical)] }), ['leaf'])
}

const own = [dns(HOST), ip('127.0.0.1')]

const alternativeNames: readonly Mutation[] = [
  sets('names: none', () => ({ without: [EXTENSION.subjectAltName] }), ['leaf']),
  sets('names: none, the host in the common name', () => ({ subject: HOST, without: [EXTENSION.subjectAltName] }), [
    'leaf',
  ]),
  sets('names: another, the host in the common name', () => ({ subject: HOST, names: [dns('other.etcd.svc')] }), [
    'leaf',
  ]),
  names('an empty list', []),
  sets('names: no list', () => ({ extensions: [{ oid: EXTENSION.subjectAltName, value: NULL }] }), ['leaf']),
  names('another host', [dns('etcd-1.etcd.svc')]),
  names('a domain above', [dns('etcd.svc')]),
  names('a domain below', [dns(`a.${HOST}`)]),
  names('in capital letters', [dns(HOST.toUpperCase())]),
  names('with a trailing dot', [dns(`${HOST}.`)]),
  names('with a leading dot', [dns(`.${HOST}`)]),
  names('wildcard', [dns('*.etcd.svc')]),
  names('wildcard over two labels', [dns('*.svc')]),
  names('wildcard in part of a label', [dns('etcd-*.etcd.svc')]),
  names('wildcard not leftmost', [dns('etcd-0.*.svc')]),
  names('nothing but a wildcard', [dns('*')]),
  names('wildcard twice', [dns('*.*.svc')]),
  names('the host as e-mail and URI', [email(`a@${HOST}`), uri(`https://${HOST}/`)]),
  names('empty', [...own, dns('')]),
  names('with a space', [...own, dns('a b')]),
  names('with a NUL', [dns(`${HOST}\0.example`)]),
  names('with an underscore', [...own, dns('a_b.svc')]),
  names('with an accent', [...own, dns('é.svc')]),
  names('an address as DNS name', [dns(HOST), dns('127.0.0.1')]),
  names('an address of five octets', [...own, ipBytes(Buffer.alloc(5, 1))]),
  names('an address of none', [...own, ipBytes(Buffer.alloc(0))]),
  names('a URI that is none', [...own, uri('http://[bad/%zz')]),
  names('a SPIFFE id', [...own, uri('spiffe://cluster/etcd')]),
  names('an e-mail address that is none', [...own, email('nobody')]),
  names('all other kinds', [...own, directoryName('x'), registeredId('1.2.3'), otherName('1.2.3', NULL)]),
  names('of a kind that does not exist', [...own, rawName(0x8a, Buffer.from('x'))]),
  names('critical', own, true),
  sets(
    'names: critical, of a kind that Go does not know',
    () => ({
      extensions: [subjectAltName([directoryName('x')], true)],
    }),
    CAS,
  ),
  sets('names: not critical, no subject', () => ({ subject: '' }), ['leaf']),
  sets('names: critical, no subject', () => ({ subject: '', extensions: [subjectAltName(own, true)] }), ['leaf']),
  address('an address', [ip('127.0.0.1')]),
  address('an address, another one', [ip('127.0.0.2')]),
  address('an address as DNS name only', [dns('127.0.0.1')]),
  address('an address mapped into IPv6', [ip('::ffff:127.0.0.1')]),
  address('an address in the common name only', null),
]

/** The server is reached by its address. */
function address(name: string, list: readonly GeneralName[] | null): Mutation {
  return {
    name: `reached by address, names: ${name}`,
    on: ['leaf'],
    apply: (plan, role) => {
      plan.host = '127.0.0.1'
      if (list === null) set(plan, role, { subject: '127.0.0.1', without: [EXTENSION.subjectAltName] })
      else set(plan, role, { extensions: [subjectAltName(list)] })
    },
  }
}

type Subtrees = Parameters<typeof nameConstraints>[0]

function constrains(
  name: string,
  subtrees: Subtrees,
  options: { on?: readonly Role[]; critical?: boolean; fault?: Role; leaf?: readonly GeneralName[] } = {},
): Mutation {
  const { on = CAS, critical = true, fault, leaf } = options
  return {
    name: `constraints: ${name}`,
    on,
    apply: (plan: Plan, role) => {
      set(plan, role, { extensions: [nameConstraints(subtrees, critical)] })
      if (leaf !== undefined) set(plan, 'leaf', { extensions: [subjectAltName([...own, ...leaf])] })
    },
    fault,
  }
}

/** The host is in the common name alone, where Node and OpenSSL look for it, and beyond the CA's constraints. */
function commonNameBeyond(name: string, subtrees: Subtrees): Mutation {
  return {
    name: `constraints: ${name}, for the common name`,
    on: ['leaf'],
    apply: (plan) => {
      set(plan, 'intermediate', { extensions: [nameConstraints(subtrees)] })
      set(plan, 'leaf', { subject: HOST, extensions: [subjectAltName([ip('127.0.0.1')])] })
    },
  }
}

/** What the CA says is in order; the leaf goes beyond it. */
const beyond = { fault: 'leaf' } as const

const constraints: readonly Mutation[] = [
  constrains('the host permitted', { permitted: [dns(HOST), ipRange('127.0.0.0/8')] }),
  constrains('the zone permitted', { permitted: [dns('svc'), ipRange('127.0.0.0/8')] }),
  constrains('another zone permitted', { permitted: [dns('example')] }, beyond),
  constrains('the zone excluded', { excluded: [dns('svc')] }, beyond),
  constrains('another zone excluded', { excluded: [dns('example')] }),
  constrains('permitted and excluded', { permitted: [dns('svc')], excluded: [dns(HOST)] }, beyond),
  constrains('every DNS name excluded', { excluded: [dns('')] }, beyond),
  constrains('another range permitted', { permitted: [ipRange('10.0.0.0/8')] }, beyond),
  constrains('the range excluded', { excluded: [ipRange('127.0.0.0/8')] }, beyond),
  constrains('IPv6 permitted', { permitted: [ipRange('::/0')] }, beyond),
  constrains('e-mail of another host permitted', { permitted: [email('example.com')] }),
  constrains(
    'an e-mail address beyond',
    { permitted: [email('example.com')] },
    { ...beyond, leaf: [email('a@example.org')] },
  ),
  constrains('an e-mail address within', { permitted: [email('.example.com')] }, { leaf: [email('a@b.example.com')] }),
  constrains(
    'an e-mail address that is none',
    { permitted: [email('example.com')] },
    { ...beyond, leaf: [email('nobody')] },
  ),
  constrains(
    'another zone excluded, and a mailbox that is none',
    { excluded: [dns('example')] },
    { ...beyond, leaf: [email('nobody')] },
  ),
  constrains(
    'another range excluded, and a DNS name with a space',
    { excluded: [ipRange('10.0.0.0/8')] },
    { ...beyond, leaf: [dns('a b')] },
  ),
  constrains('a URI beyond', { permitted: [uri('.example.com')] }, { ...beyond, leaf: [uri('https://example.org/')] }),
  constrains('a URI within', { permitted: [uri('.example.com')] }, { leaf: [uri('https://a.example.com/')] }),
  constrains('a URI without a host', { permitted: [uri('.example.com')] }, { ...beyond, leaf: [uri('urn:a:b')] }),
  constrains(
    'a URI with an address',
    { permitted: [uri('.example.com')] },
    { ...beyond, leaf: [uri('https://10.0.0.1/')] },
  ),
  constrains('another directory name permitted', { permitted: [directoryName([['O', 'Acme']])] }, beyond),
  constrains('the subject permitted', {
    permitted: [directoryName('etcd-0'), directoryName('Intermediate')],
  }),
  constrains('the subject excluded', { excluded: [directoryName('etcd-0')] }, beyond),
  constrains('another name of a kind that is not compared', { permitted: [registeredId('1.2.3')] }),
  constrains(
    'a name of a kind that is not compared',
    { excluded: [otherName('1.2.3', NULL)] },
    { ...beyond, leaf: [otherName('1.2.3', NULL)] },
  ),
  constrains(
    'a URI below a host that is excluded',
    { excluded: [uri('example.com')] },
    { ...beyond, leaf: [uri('https://a.example.com/')] },
  ),
  constrains(
    'a mailbox that begins with a dot',
    { excluded: [email('example.com')] },
    { ...beyond, leaf: [email('.etcd@example.org')] },
  ),
  {
    name: 'constraints: a name of a self-issued CA beyond',
    on: ['intermediate'],
    apply: (plan) => {
      set(plan, 'root', { extensions: [nameConstraints({ excluded: [dns('example.com')] })] })
      set(plan, 'intermediate', { subject: 'Root', extensions: [subjectAltName([dns('ca.example.com')])] })
    },
  },
  constrains(
    'the subject excluded, not critical',
    { excluded: [directoryName('etcd-0')] },
    { ...beyond, critical: false },
  ),
  constrains(
    'another directory name permitted, not critical',
    { permitted: [directoryName([['O', 'Acme']])] },
    { ...beyond, critical: false },
  ),
  constrains(
    'a name of a kind that is not compared, not critical',
    { excluded: [otherName('1.2.3', NULL)] },
    { ...beyond, critical: false, leaf: [otherName('1.2.3', NULL)] },
  ),
  constrains(
    'another zone excluded, and a DNS name with a space',
    { excluded: [dns('example')] },
    { ...beyond, leaf: [dns('a b')] },
  ),
  constrains(
    'a host that a wildcard stands for excluded',
    { excluded: [dns('a.example.com')] },
    { ...beyond, leaf: [dns('*.example.com')] },
  ),
  constrains('every mailbox permitted', { permitted: [email('')] }),
  constrains(
    'a mailbox with an escape',
    { excluded: [email('example.com')] },
    { ...beyond, leaf: [email('et\\@cd@example.org')] },
  ),
  constrains('a DNS name with a leading dot', { permitted: [dns('.svc'), ipRange('127.0.0.0/8')] }),
  constrains('a DNS name with a wildcard', { permitted: [dns('*.svc')] }),
  constrains('a DNS name with a space', { permitted: [dns('a b')] }),
  constrains('a mask with gaps', { permitted: [RANGE_WITH_GAPS] }),
  constrains('a range of five octets', { permitted: [ipBytes(Buffer.alloc(5))] }),
  constrains('an e-mail address without mailbox', { permitted: [email('@example.com')] }),
  constrains('nothing', {}),
  constrains('empty lists', { permitted: [], excluded: [] }),
  commonNameBeyond('another zone permitted', { permitted: [dns('example')] }),
  commonNameBeyond('the zone excluded', { excluded: [dns('svc')] }),
  constrains('not critical', { permitted: [dns('svc'), ipRange('127.0.0.0/8')] }, { critical: false }),
  constrains('on the leaf', { permitted: [dns('svc')] }, { on: ['leaf'] }),
  sets('constraints: no list', () => ({ extensions: [{ oid: EXTENSION.nameConstraints, value: NULL }] }), CAS),
  {
    name: 'constraints: with a minimum',
    on: CAS,
    apply: (plan, role) => {
      const subtree = sequence(dns('svc'), tlv(0x80, Buffer.from([1])))
      const value = sequence(tlv(0xa0, subtree))
      set(plan, role, { extensions: [{ oid: EXTENSION.nameConstraints, critical: true, value }] })
    },
  },
]

export const nameMutations: readonly Mutation[] = [...subjects, ...alternativeNames, ...constraints]
