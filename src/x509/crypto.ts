/**
 * node:crypto for the files that the validator loads: fetched when it is first used, since it is a fifth of what importing
 * the validator would cost.
 */
import type * as NodeCrypto from 'node:crypto'

export function crypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto')
}
