/** What later rooms may use, next to the public names of `index.ts`. */
export { durationText } from './checks/check-validity.js'
export { resolveContext } from './context.js'
export { finding } from './finding.js'
export { foldRepeats } from './fold-repeats.js'
export {
  type DialRefusal,
  Dials,
  forecast,
  type ForecastMember,
  isAlive,
  type PairForecast,
  type QuorumForecast,
} from './forecast.js'
export { areOfDates, isDateCode, validateUntil } from './valid-until.js'
export { validateConnected } from './validate.js'
