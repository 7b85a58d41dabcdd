/** Runs one compiled benchmark in a process of its own: `node run-bench.mjs <harness> <benchmark> <form>`. */
import { pathToFileURL } from 'node:url'

const [, , harness, file, form] = process.argv
const { runBench } = await import(pathToFileURL(harness).href)
const { bench } = await import(pathToFileURL(file).href)
process.send(await runBench(bench, form))
process.disconnect()
