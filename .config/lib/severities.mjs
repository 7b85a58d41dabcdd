/** Severities of a code of the catalogue, which are constant or depend on the kind, on the usage, or on flags, in the details. */
const USAGES = ['client', 'peer', 'server', 'any']

/** The severities for one usage, whatever the flags among the details are. */
function severitiesFor(severity, usage) {
  const details = (flag) => new Proxy({}, { get: (_, name) => (name === 'usage' ? usage : flag) })
  return [...new Set([true, false].map((flag) => severity(details(flag))))]
}

/** @returns {string[]} every severity that findings of the code can have */
export function severitiesOf(rows) {
  if (typeof rows.text !== 'function') return [...new Set(Object.values(rows).flatMap(severitiesOf))]
  const { severity } = rows
  if (typeof severity === 'string') return [severity]
  return [...new Set(USAGES.flatMap((usage) => severitiesFor(severity, usage)))]
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
  const { severity } = rows
  if (typeof severity === 'string') return anyOf
  const byUsage = USAGES.map((usage) => ({ usage, each: severity({ usage }) }))
  const found = [...new Set(byUsage.map(({ each }) => each))]
  if (found.length === 1) return anyOf
  const usagesOf = (each) => byUsage.filter((other) => other.each === each).map(({ usage }) => usage)
  return found.map((each) => `**${each}** for ${usagesOf(each).join(' and ')}`).join(', ')
}
