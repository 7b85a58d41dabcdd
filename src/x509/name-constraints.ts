/** The name constraints of a CA (RFC 5280 section 4.2.1.10). */
import { contextTag, DerError, type DerReader, Tag } from './der.js'
import { checkCount, type GeneralName, readGeneralName } from './general-name.js'

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** Most subtrees that one CA permits, or excludes. Real ones have about ten. */
const MAX_SUBTREES = 500

/** Reads NameConstraints: permitted or excluded subtrees, or both. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const fields = reader.enter(Tag.sequence, 'nameConstraints')
  const permitted = fields.enterOptional(contextTag(0, 'constructed'))
  const excluded = fields.enterOptional(contextTag(1, 'constructed'))
  if (permitted === null && excluded === null) {
    throw new DerError('nameConstraints that hold neither permitted nor excluded subtrees', fields.offset)
  }
  fields.finish('nameConstraints')
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) }
}

function readSubtrees(list: DerReader | null): GeneralName[] {
  const names: GeneralName[] = []
  if (list === null) return names
  do {
    checkCount(names, list, MAX_SUBTREES)
    const subtree = list.enter(Tag.sequence, 'a subtree of nameConstraints')
    names.push(readGeneralName(subtree, 'address-and-mask'))
    // minimum must be 0, its default, and maximum absent (RFC 5280 section 4.2.1.10).
    subtree.finish('a subtree of nameConstraints')
  } while (!list.atEnd)
  return names
}
