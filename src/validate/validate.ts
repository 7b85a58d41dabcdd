/** The room's doors in one place. */
export { inspectCredentials } from './inspect.js'
export { type ChainInput, validateChain, type ValidateChainOptions, validateConnected } from './validate-chain.js'
export { validateCredentials } from './validate-credentials.js'
