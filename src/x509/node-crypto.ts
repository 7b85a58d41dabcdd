/** Loads node:crypto on first use, because it takes a fifth of the time to import the validator. */
import type * as NodeCrypto from 'node:crypto'

export function crypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto')
}
