/** The table of mutations, and every mutation on every certificate that it applies to. */
import type { Applied, Mutation } from './mutation.js'
import { chainMutations } from './mutations-chain.js'
import { constraintMutations } from './mutations-constraints.js'
import { extensionMutations } from './mutations-extensions.js'
import { formMutations } from './mutations-form.js'
import { keyMutations } from './mutations-keys.js'
import { nameMutations } from './mutations-names.js'
import { revocationMutations } from './mutations-revocation.js'
import { signatureMutations } from './mutations-signatures.js'

export const MUTATIONS: readonly Mutation[] = [
  ...formMutations,
  ...signatureMutations,
  ...keyMutations,
  ...extensionMutations,
  ...constraintMutations,
  ...nameMutations,
  ...chainMutations,
  ...revocationMutations,
]

/** Every mutation on every certificate that it applies to. */
export const SINGLES: readonly Applied[] = MUTATIONS.flatMap((mutation) =>
  mutation.on.map((role) => ({ mutation, role })),
)
