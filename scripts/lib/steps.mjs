/** A line for each step of a story. The last line is `N passed, N failed`. */
const counts = { passed: 0, failed: 0 }

/** Runs a step; the steps after one that fails have nothing to work with. */
export async function step(name, work) {
  try {
    const result = await work()
    counts.passed += 1
    console.log(`ok      ${name}`)
    return result
  } catch (error) {
    counts.failed += 1
    console.log(`FAILED  ${name}`)
    throw error
  }
}

export function check(isGood, received) {
  if (!isGood) throw new Error(`Unexpected: ${String(received)}`)
}

/** Runs a story of steps to its end or to the first failure, and sets the exit code. */
export async function runStory(story) {
  await story().catch((error) => {
    console.log(error)
    if (counts.failed === 0) counts.failed = 1
  })
  console.log(`${counts.passed} passed, ${counts.failed} failed`)
  process.exitCode = counts.failed === 0 ? 0 : 1
}
