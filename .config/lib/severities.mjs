/** Severities of a row of the catalogue, which are a constant or depend on the usage in the details. */
const USAGES = ['client', 'peer', 'server', 'any']

/** @returns {string[]} every severity that findings of the row can have */
export function severitiesOf(severity) {
  if (typeof severity === 'string') return [severity]
  return [...new Set(USAGES.map((usage) => severity({ usage })))]
}

/** @returns {string} such as `**error** for client and peer, **warning** for server` */
export function severityText(severity) {
  if (typeof severity === 'string') return `**${severity}**`
  return severitiesOf(severity)
    .map((each) => `**${each}** for ${USAGES.filter((usage) => severity({ usage }) === each).join(' and ')}`)
    .join(', ')
}
