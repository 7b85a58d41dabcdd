/**
 * The extensions about certificate policies (RFC 5280 sections 4.2.1.4, 4.2.1.5 and 4.2.1.11). They decide nothing here,
 * so their contents are not kept; whether they can be read is worth knowing, because Go refuses what cannot.
 */
import { contextTag, DerError, type DerReader, Tag } from './der.js'

const ANY_POLICY = '2.5.29.32.0'
/** Most policies or mappings read of one certificate. Real ones have one or two. */
const MAX_POLICIES = 100

export function readCertificatePolicies(reader: DerReader): void {
  const list = reader.enter(Tag.sequence, 'certificatePolicies')
  const seen = new Set<string>()
  do {
    const policy = list.enter(Tag.sequence, 'a policy').oid('a policy id')
    if (seen.has(policy)) throw new DerError(`the policy ${policy} twice`, list.offset)
    if (seen.size >= MAX_POLICIES) throw tooMany(list)
    seen.add(policy)
  } while (!list.atEnd)
}

export function readPolicyMappings(reader: DerReader): void {
  const list = reader.enter(Tag.sequence, 'policyMappings')
  let count = 0
  do {
    if (count++ >= MAX_POLICIES) throw tooMany(list)
    const mapping = list.enter(Tag.sequence, 'a policy mapping')
    const policies = [mapping.oid('a policy of the issuer'), mapping.oid('a policy of the subject')]
    if (policies.includes(ANY_POLICY))
      throw new DerError('a mapping of anyPolicy (RFC 5280 section 4.2.1.5)', list.offset)
    mapping.finish('a policy mapping')
  } while (!list.atEnd)
}

function tooMany(list: DerReader): DerError {
  return new DerError(`more than ${String(MAX_POLICIES)} policies`, list.offset)
}

/** Reads PolicyConstraints; whether they require that certificates name a policy. */
export function readPolicyConstraints(reader: DerReader): boolean {
  const fields = reader.enter(Tag.sequence, 'policyConstraints')
  const [required, mapping] = [contextTag(0, 'primitive'), contextTag(1, 'primitive')]
  const requiresPolicy = fields.peek() === required
  if (requiresPolicy) fields.smallInteger('requireExplicitPolicy', required)
  if (fields.peek() === mapping) fields.smallInteger('inhibitPolicyMapping', mapping)
  fields.finish('policyConstraints')
  return requiresPolicy
}
