/** Severities of a code of the catalogue, which depend on the kind, on the usage, on a flag, or on a condition of the row. */
const WORST_FIRST = ['error', 'warning', 'info']
const USAGES = ['client', 'peer', 'server', 'any']

/** The severities for one usage, whatever the flags among the details are. */
function severitiesFor(severity, usage) {
  const details = (flag) => new Proxy({}, { get: (_, name) => (name === 'usage' ? usage : flag) })
  return [...new Set([true, false].map((flag) => severity(details(flag))))]
}

/** @returns {string[]} every severity that findings of the code can have */
export function severitiesOf(rows) {
  const found = new Set(typeof rows.text === 'function' ? ofRow(rows) : Object.values(rows).flatMap(ofRow))
  return WORST_FIRST.filter((each) => found.has(each))
}

function ofRow({ severity, others }) {
  const usual = typeof severity === 'string' ? [severity] : USAGES.flatMap((usage) => severitiesFor(severity, usage))
  return [...usual, ...others.map(([other]) => other)]
}

/** @returns {string} such as `**error** for client and peer, **warning** for server`, or `**error** or **warning**` */
export function severityText(rows) {
  const anyOf = severitiesOf(rows)
    .map((each) => `**${each}**`)
    .join(' or ')
  if (typeof rows.text !== 'function') {
    const texts = new Set(Object.values(rows).map(severityText))
    return texts.size === 1 ? [...texts][0] : anyOf
  }
  const { severity, others } = rows
  if (typeof severity === 'string' || others.length > 0) return anyOf
  const byUsage = USAGES.map((usage) => ({ usage, each: severity({ usage }) }))
  const found = [...new Set(byUsage.map(({ each }) => each))]
  if (found.length === 1) return anyOf
  const usagesOf = (each) => byUsage.filter((other) => other.each === each).map(({ usage }) => usage)
  return found.map((each) => `**${each}** for ${usagesOf(each).join(' and ')}`).join(', ')
}
