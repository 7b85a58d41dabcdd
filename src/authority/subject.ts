/** The subject of a certificate: its common name, and what else the caller wants in it. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { type NamePart, writeDistinguishedName } from '../x509/certificate-writer.js'
import { readName } from './options.js'

/** Attributes of a subject beside the common name. */
export interface SubjectAttributes {
  /** Two letters of ISO 3166: `DE`. */
  country?: string | undefined
  state?: string | undefined
  locality?: string | undefined
  /** For Kubernetes the group of the user: `system:masters`. Several stand in the order given. */
  organization?: string | readonly string[] | undefined
  organizationalUnit?: string | readonly string[] | undefined
}

/** Attributes in the order in which they are written, as openssl and cfssl do; the common name follows. */
const ATTRIBUTES = {
  country: '2.5.4.6',
  state: '2.5.4.8',
  locality: '2.5.4.7',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
} as const satisfies Record<keyof SubjectAttributes, string>

const COMMON_NAME = '2.5.4.3'
/** Several organizations are Kubernetes' groups; nobody is in more. */
const MOST_VALUES = 16
/** Names of more than 4096 octets are not read here; this leaves room for the common name. */
const MOST_OCTETS = 3800

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readSubject(value: unknown, option: string): NamePart[] {
  if (value === undefined) return []
  const known = Object.keys(ATTRIBUTES) as (keyof SubjectAttributes)[]
  checkOptions(option, value, known)
  const given = value as Record<keyof SubjectAttributes, unknown> // the keys were checked, and each value is below
  const parts = known.flatMap((name) => readAttribute(name, given[name], `${option}.${name}`))
  if (parts.length > 0 && writeDistinguishedName(parts).length > MOST_OCTETS)
    throw optionInvalid(option, `must have at most ${String(MOST_OCTETS)} octets in all`)
  return parts
}

function readAttribute(name: keyof SubjectAttributes, value: unknown, option: string): NamePart[] {
  if (value === undefined) return []
  const several = name === 'organization' || name === 'organizationalUnit'
  const values: unknown[] = several && Array.isArray(value) ? value : [value]
  if (values.length > MOST_VALUES) throw optionInvalid(option, `must have at most ${String(MOST_VALUES)} entries`)
  return values.map((each) => {
    const text = readName(each, option)
    if (name === 'country' && !/^[A-Z]{2}$/.test(text))
      throw optionInvalid(option, 'must be two capital letters, as in ISO 3166')
    return { type: ATTRIBUTES[name], text }
  })
}

/** The whole subject in DER, its common name last: etcd takes the last one as the user's name. */
export function writeSubject(attributes: readonly NamePart[], commonName: string): Uint8Array {
  return writeDistinguishedName([...attributes, { type: COMMON_NAME, text: commonName }])
}
