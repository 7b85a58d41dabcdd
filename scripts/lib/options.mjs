/** The options of scripts that a seed repeats. */
import { parseArgs } from 'node:util'
import { Stop } from './lifecycle.mjs'

/** Any seed that `--seed` takes. */
export function randomSeed() {
  return Math.floor(Math.random() * 0x1_0000_0000)
}

/**
 * Reads `--NAME VALUE` for each name of `defaults`: whole numbers if the default is a number, flags if it is a boolean, and
 * strings if it is null.
 *
 * @throws {Stop} for an option that does not exist, and for a value that is not a whole number.
 */
export function readOptions(defaults) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, usual]) => [
      name,
      { type: typeof usual === 'boolean' ? 'boolean' : 'string' },
    ]),
  )
  let values
  try {
    values = parseArgs({ options }).values
  } catch (error) {
    throw new Stop(error.message)
  }
  return Object.fromEntries(
    Object.entries(defaults).map(([name, usual]) => {
      const value = values[name]
      if (value === undefined || typeof usual !== 'number') return [name, value ?? usual]
      if (!/^\d{1,10}$/.test(value)) throw new Stop(`--${name} must be a whole number; received "${value}"`)
      return [name, Number(value)]
    }),
  )
}
