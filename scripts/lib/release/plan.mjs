/** The steps that the arguments of `npm run check -- release` choose. */
import { Stop } from '../lifecycle.mjs'

/**
 * @param {readonly string[]} args
 * @param {readonly string[]} steps the names of the steps that can be chosen
 * @returns {{ publish: boolean, isChosen: (name: string) => boolean }}
 */
export function planRelease(args, steps) {
  const publish = args.includes('--publish')
  const names = args.filter((arg) => arg !== '--publish')
  const unknown = names.filter((name) => !steps.includes(name))
  if (unknown.length > 0) throw new Stop(`There is no step ${unknown.join(', ')}. The steps are ${steps.join(', ')}.`)
  if (publish && names.length > 0) throw new Stop('A release runs every step: --publish takes no names.')
  return { publish, isChosen: (name) => names.length === 0 || names.includes(name) }
}
