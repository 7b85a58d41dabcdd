/** Basic constraints (check-constraints.ts): who may issue, and how many CAs may be below. */
import {
  directoryName,
  dns,
  email,
  EXTENSION,
  ipRange,
  mintCa,
  nameConstraints,
  otherName,
  registeredId,
  uri,
  basicConstraints,
  type Extension,
} from '../../support/mint.js'
import { future, leafOf, leafWith, tableOf, type Given, type Ca } from './rows.js'

const garbled: Extension = { oid: EXTENSION.nameConstraints, critical: true, value: Buffer.from('3003', 'hex') }
const constrained = (subtrees: Parameters<typeof nameConstraints>[0], critical = true): Ca => ({
  extensions: [nameConstraints(subtrees, critical)],
})
const bare = { without: [EXTENSION.basicConstraints] }
const NO_CA = basicConstraints({ ca: false })
const notCritical = nameConstraints({ excluded: [dns('other.svc')] }, false)
const dotted = Array.from({ length: 51 }, (_, i) => `.z${String(i)}`)
const [registered, other] = [registeredId('1.2.3'), otherName('1.2.3', Buffer.from('0500', 'hex'))]

tableOf('a CA', 'constraints/not-a-ca', [
  ['needs basicConstraints', { intermediate: bare }, ['@1 (no basicConstraints, CN=etcd-0)']],
  ['needs basicConstraints as an anchor as well', { root: bare }, ['@2 (no basicConstraints, CN=Test Intermediate)']],
  ['must not have CA:FALSE', { intermediate: { extensions: [NO_CA] } }, ['@1 (CA:FALSE, CN=etcd-0)']],
  [
    'marks its constraints as critical',
    { intermediate: { extensions: [basicConstraints({ ca: true, pathLength: 0 }, false), notCritical] } },
    ['basicConstraints', 'nameConstraints'].map((name) => `warning criticality-unusual@1 (of a CA, ${name})`),
  ],
  [
    'should have only critical name constraints of kinds that Go compares, permitted or excluded',
    { root: constrained({ permitted: [registered], excluded: [registered, other, directoryName('Other')] }) },
    ['warning extension-refused@2 (names unread by Go, nameConstraints, [registeredId otherName dirName], server)'],
  ],
  [
    'may have other name constraints that are not critical',
    { root: constrained({ excluded: [registered] }, false) },
    ['warning criticality-unusual@2'],
  ],
  ['is reported for unreadable name constraints', { root: { extensions: [garbled] } }, ['extension-refused@2']],
  [
    'may have DNS, IP, mail and URI constraints',
    { root: constrained({ excluded: [dns('a.b'), ipRange('10.0.0.0/8'), email('a.b'), uri('a.b')] }) },
    [],
  ],
  [
    'is reported for DNS constraints with a leading dot',
    { root: constrained({ permitted: [dns('.svc')], excluded: [dns('.a.svc'), dns('b.svc'), email('.c.svc')] }) },
    ['warning name-constraints/malformed@2 (leading dot, [.svc .a.svc])'],
  ],
  [
    'is reported with fifty DNS constraints with a leading dot',
    { root: constrained({ excluded: dotted.map(dns) }) },
    [`warning name-constraints/malformed@2 (leading dot, [${dotted.slice(0, 50).join(' ')}])`],
  ],
])

tableOf('a leaf', 'constraints/only-for-cas', [
  ['should not be a CA', leafWith(basicConstraints({ ca: true })), ['warning leaf-is-ca@0']],
  [
    'is reported once with a path length',
    leafWith(basicConstraints({ ca: true, pathLength: 3 })),
    ['warning leaf-is-ca@0'],
  ],
  ['should have no pathlen', leafWith(basicConstraints({ ca: false, pathLength: 0 })), ['warning @0 (pathlen)']],
  ['may have no basicConstraints', { leaf: bare }, []],
  [
    'should have no name constraints',
    leafWith(nameConstraints({ permitted: [dns('svc')] })),
    ['warning @0 (nameConstraints)'],
  ],
  [
    'should not constrain names of kinds that Go does not compare',
    leafWith(nameConstraints({ excluded: [directoryName('Other')] })),
    [
      'warning @0 (nameConstraints)',
      'warning extension-refused@0 (names unread by Go, nameConstraints, [dirName], server)',
    ],
  ],
])

/** A root, CAs below it in this order, and a leaf below the last. */
function line(root: Ca, ...between: readonly Ca[]): Given {
  const top = mintCa({ subject: 'CA', notAfter: future(4000), ...root })
  const cas = [top]
  for (const [i, options] of between.entries())
    cas.unshift(mintCa({ subject: `CA ${String(i)}`, issuer: cas[0], notAfter: future(3999 - i), ...options }))
  return { leaf: leafOf(cas[0]), sent: cas.slice(0, -1), trust: [top] }
}
const many = (count: number): Ca[] => Array.from({ length: count }, () => ({}))

const [NONE, OWN] = [{ pathLength: 0 }, { subject: 'CA' }]

tableOf('path lengths', 'constraints/path-too-long', [
  [
    'refuse each CA above one too many',
    line({ pathLength: 1 }, { pathLength: 0 }, {}),
    ['@2 (for all, 0, 1, [CN=CA 1])', '@3 (for all, 1, 2, [CN=CA 1 CN=CA 0])'],
  ],
  ['do not count a self-issued CA, except in Go', line(NONE, OWN), ['warning @2 (for Go, 0, 1, [CN=CA], server)']],
  ['with a self-issued CA are an error if etcd validates', line(NONE, OWN), ['@2'], { usage: 'peer' }],
  ['count the CAs below a self-issued CA', line(NONE, OWN, {}), ['@3 (for all, 0, 1, [CN=CA 1 CN=CA])']],
  ['are limited by the caller', line({}, {}, {}), ['limit-exceeded (intermediates, 1, 2)'], { maxIntermediates: 1 }],
  ['may be as long as the caller allows', line({}, {}, {}), [], { maxIntermediates: 2 }],
  ['are limited without self-issued CAs', line({}, { subject: 'CA' }), [], { maxIntermediates: 0 }],
  ['are 10 by default', line({}, ...many(10)), []],
  ['are not 11 by default', line({}, ...many(11)), ['limit-exceeded (intermediates, 10, 11)']],
])
