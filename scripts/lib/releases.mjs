/** Compares texts of etcd's project with what the tables of src know about its releases. */

/**
 * @typedef {{ minor: number, patch: number | null }} Version
 * @typedef {object} Tables
 * @property {Readonly<Record<string, string>>} newest the newest known release of each line
 * @property {readonly { id: string, ghsa: string, fixed: readonly string[] }[]} advisories
 * @property {ReadonlySet<string>} flags the names of all known flags
 */

/** A heading of a changelog. A release without a date is not released. */
const HEADING = /^## \[?v(\d+\.\d+)\.(\d+)(\S*)\]?.*$/
const ADVISORY = /github\.com\/etcd-io\/etcd\/security\/advisories\/(GHSA-[\w-]+)/g
/** A line of `etcd --help`, or of its source. */
const FLAG = /^\s+--([a-z][\w.-]*)/

/**
 * What the tables do not have, one sentence each. A text that is neither a changelog nor a list of flags is a fault too, so that
 * a changed form of one does not pass.
 *
 * @param {string} name for the messages
 * @param {string} text a changelog, or what `etcd --help` prints
 * @param {Tables} tables
 * @returns {string[]}
 */
export function missingIn(name, text, tables) {
  const lines = text.split('\n')
  const hasHeading = lines.some((line) => HEADING.test(line))
  const flags = [...new Set(lines.flatMap((line) => FLAG.exec(line)?.[1] ?? []))]
  if (!hasHeading && flags.length === 0) return [`${name} has neither a release of etcd nor a flag.`]
  const found = hasHeading
    ? missingReleases(lines, tables)
    : flags.filter((flag) => !tables.flags.has(flag)).map((flag) => `The flag --${flag} is not in options.ts.`)
  return found.map((sentence) => `${name}: ${sentence}`)
}

function missingReleases(lines, { newest, advisories }) {
  const found = []
  /** The release of the lines that follow; null for one that is not released, or of a line before the known ones. */
  let release = null
  for (const line of lines) {
    const [heading, own, patch, suffix] = HEADING.exec(line) ?? []
    if (heading !== undefined) {
      const isReleased = suffix === '' && /\(\d{4}-\d\d-\d\d\)/.test(heading)
      release = isReleased && !isBefore(own, Object.keys(newest)[0]) ? `${own}.${patch}` : null
      const known = newest[own]
      if (release !== null && (known === undefined || Number(patch) > Number(known.split('.')[2])))
        found.push(`${release} is newer than ${known ?? 'every known line'}, the newest release in version.ts.`)
    }
    for (const [, ghsa] of release === null ? [] : line.matchAll(ADVISORY)) {
      const row = advisories.find((each) => each.ghsa === ghsa)
      if (row?.fixed.includes(release) !== true) found.push(`The fix of ${ghsa} in ${release} is not in advisories.ts.`)
    }
  }
  return found
}

function isBefore(line, first) {
  const [a, b] = [line, first].map((each) => each.split('.').map(Number))
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])
}
