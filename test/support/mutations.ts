/** The table of mutations, and every mutation on every certificate that it applies to. */
import type { Applied, Mutation } from './mutation.js'
import { chainMutations } from './mutations-chain.js'
import { extensionMutations } from './mutations-extensions.js'
import { fieldMutations } from './mutations-fields.js'
import { nameMutations } from './mutations-names.js'

export const MUTATIONS: readonly Mutation[] = [
  ...fieldMutations,
  ...extensionMutations,
  ...nameMutations,
  ...chainMutations,
]

/** Every mutation on every certificate that it applies to. */
export const SINGLES: readonly Applied[] = MUTATIONS.flatMap((mutation) =>
  mutation.on.map((role) => ({ mutation, role })),
)
