/** Runs one compiled benchmark in a process of its own: `node run-bench.mjs <harness> <benchmark>`. */
import { pathToFileURL } from 'node:url'

const [harness, file] = process.argv.slice(2).map((path) => pathToFileURL(path).href)
const { runBench } = await import(harness)
const { bench } = await import(file)
process.send(await runBench(bench))
process.disconnect()
