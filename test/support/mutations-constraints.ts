/** Mutations of basic constraints, key usage and extended key usage. */
import { bitString, boolean, integer, sequence, tlv } from './der-writer.js'
import { basicConstraints, EXTENSION, extendedKeyUsage, type Extension, keyUsage, type KeyUsageName } from './mint.js'
import { CAS, EVERY, keyFor, type Mutation, type Role, set, sets } from './mutation.js'

function carries(name: string, extension: () => Extension, on: readonly Role[], fault?: Role | null): Mutation {
  return sets(name, () => ({ extensions: [extension()] }), on, fault)
}

function rawConstraints(...content: Buffer[]): Extension {
  return { oid: EXTENSION.basicConstraints, critical: true, value: sequence(...content) }
}

const basic: readonly Mutation[] = [
  sets('no basic constraints', () => ({ without: [EXTENSION.basicConstraints] })),
  carries('CA:FALSE', () => basicConstraints({ ca: false }), CAS),
  carries('CA:TRUE', () => basicConstraints({ ca: true }), ['leaf']),
  carries('CA:TRUE, not critical', () => basicConstraints({ ca: true }, false), EVERY),
  carries('CA:FALSE, not critical', () => basicConstraints({ ca: false }, false), ['leaf']),
  carries('CA:FALSE written out', () => rawConstraints(boolean(false)), ['leaf']),
  carries('CA flag of 01', () => rawConstraints(tlv(0x01, Buffer.from([1]))), EVERY),
  carries('a path length without CA', () => basicConstraints({ ca: false, pathLength: 0 }), ['leaf']),
  carries('a path length of 0', () => basicConstraints({ ca: true, pathLength: 0 }), ['root']),
  carries('a path length of 1', () => basicConstraints({ ca: true, pathLength: 1 }), ['root']),
  {
    name: 'self-issued below a path length of 0',
    on: ['intermediate'],
    apply: (plan) => {
      set(plan, 'root', { pathLength: 0 })
      set(plan, 'intermediate', { subject: 'Root' })
    },
    fault: 'root',
  },
  carries('a path length of -1', () => rawConstraints(boolean(true), integer(-1)), EVERY),
  carries('a path length beyond 64 bits', () => rawConstraints(boolean(true), integer(1n << 70n)), EVERY),
  carries('basic constraints that cannot be read', () => rawConstraints(integer(1), integer(2), integer(3)), EVERY),
  carries('basic constraints with bytes after them', () => trailing(basicConstraints({ ca: true })), EVERY),
]

function trailing(extension: Extension): Extension {
  return { ...extension, value: Buffer.concat([extension.value, Buffer.from([5, 0])]) }
}

function may(name: string, usages: readonly KeyUsageName[], on: readonly Role[]): Mutation {
  return carries(name, () => keyUsage(usages), on)
}

const usage: readonly Mutation[] = [
  sets('no key usage', () => ({ without: [EXTENSION.keyUsage] })),
  may('key usage: cRLSign', ['cRLSign'], CAS),
  may('key usage: keyCertSign', ['keyCertSign'], EVERY),
  may('key usage: digitalSignature', ['digitalSignature'], CAS),
  may('key usage: keyCertSign and more', ['keyCertSign', 'cRLSign', 'digitalSignature'], CAS),
  may('key usage: keyEncipherment', ['keyEncipherment'], ['leaf']),
  may('key usage: keyAgreement', ['keyAgreement'], ['leaf']),
  may('key usage: nonRepudiation', ['nonRepudiation'], ['leaf']),
  may('key usage: digitalSignature and keyCertSign', ['digitalSignature', 'keyCertSign'], ['leaf']),
  may('key usage: digitalSignature and keyEncipherment', ['digitalSignature', 'keyEncipherment'], ['leaf']),
  may('key usage: nothing', [], EVERY),
  rsaKeyUsage('RSA with key usage: keyEncipherment', ['keyEncipherment']),
  rsaKeyUsage('RSA with key usage: dataEncipherment', ['dataEncipherment']),
  {
    name: 'key usage not critical',
    on: EVERY,
    apply: (plan, role) => {
      const usages: KeyUsageName[] = role === 'leaf' ? ['digitalSignature'] : ['keyCertSign', 'cRLSign']
      set(plan, role, { extensions: [keyUsage(usages, false)] })
    },
  },
  carries(
    'key usage that cannot be read',
    () => ({ oid: EXTENSION.keyUsage, critical: true, value: integer(1) }),
    EVERY,
  ),
  carries(
    'key usage with zero bits at its end',
    () => ({ oid: EXTENSION.keyUsage, critical: true, value: bitString(Buffer.from([0x86, 0])) }),
    EVERY,
  ),
  carries(
    'key usage with unused bits that are set',
    () => ({ oid: EXTENSION.keyUsage, critical: true, value: bitString(Buffer.from([0x87]), 1) }),
    EVERY,
  ),
]

function rsaKeyUsage(name: string, usages: readonly KeyUsageName[]): Mutation {
  return {
    name,
    on: ['leaf'],
    apply: (plan, role) => {
      set(plan, role, { key: keyFor(role, 'rsa-2048'), extensions: [keyUsage(usages)] })
    },
  }
}

function allows(purposes: readonly string[], on: readonly Role[] = EVERY): Mutation {
  return carries(`extended key usage: ${purposes.join(' and ')}`, () => extendedKeyUsage(purposes), on)
}

const extended: readonly Mutation[] = [
  sets('no extended key usage', () => ({ usages: [] }), ['leaf']),
  allows(['serverAuth']),
  allows(['clientAuth']),
  allows(['serverAuth', 'clientAuth'], CAS),
  allows(['codeSigning']),
  allows(['any']),
  allows(['any', 'serverAuth', 'clientAuth']),
  allows(['emailProtection', 'serverAuth', 'clientAuth']),
  allows(['1.3.6.1.4.1.99999.3']),
  carries('extended key usage, critical', () => extendedKeyUsage(['serverAuth', 'clientAuth'], true), EVERY),
  carries('extended key usage, empty', () => extendedKeyUsage([]), EVERY),
  carries(
    'extended key usage that cannot be read',
    () => ({ oid: EXTENSION.extendedKeyUsage, value: integer(1) }),
    EVERY,
  ),
  carries(
    'extended key usage with bytes after it',
    () => trailing(extendedKeyUsage(['serverAuth', 'clientAuth'])),
    EVERY,
  ),
]

export const constraintMutations: readonly Mutation[] = [...basic, ...usage, ...extended]
