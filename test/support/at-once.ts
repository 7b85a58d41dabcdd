/** Tries that wait for the disk or the network most of their time, side by side. */

const WIDTH = 8

/** Does the work for each of these, some at once. Rejects as the first that fails, when those next to it have ended. */
export async function eachAtOnce<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  while (waiting.length > 0) {
    const outcomes = await Promise.allSettled(waiting.splice(0, WIDTH).map(work))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
}

/** The results of the work on each of these, in order, while at most `width` are under way. */
export async function mapAtOnce<T, R>(items: Iterable<T>, width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = [...items].entries()
  const run = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: width }, run))
  return results
}
