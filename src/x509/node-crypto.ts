/** node:crypto on first use: it is a fifth of the cost of importing the validator. */
import type * as NodeCrypto from 'node:crypto'

export function crypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto')
}
