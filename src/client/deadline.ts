/** Longest delay that a Node timer takes, in milliseconds. */
const MAX_DELAY = 2_147_483_647

/**
 * Calls back when the time has come; at once where it has passed already, and never where it is further away than a timer can
 * wait.
 *
 * @param deadline In milliseconds since 1970.
 */
export function armDeadline(deadline: number, expire: () => void): NodeJS.Timeout | undefined {
  const left = deadline - Date.now()
  if (left <= 0) expire()
  else if (left <= MAX_DELAY) return setTimeout(expire, left)
  return undefined
}
